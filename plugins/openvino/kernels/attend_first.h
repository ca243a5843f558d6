// Attention of the first row alone: too little arithmetic to pay for packing, so keys and values
// are read where they are.
#pragma once

#include "attend.h"

namespace ltp {
namespace {

template <class E>
void attend_first(const HeadTask& task, void* scratch) {
    // Rows are far apart and a few cache lines each, which the hardware does not prefetch by
    // itself.
    constexpr int kAhead = 16;
    const Rows<E> queries(task.query, task), keys(task.key, task), values(task.value, task);
    const int count = task.count, width = task.head_size;
    const DenormalsAreZero fast_softmax;
    Arena arena(scratch);
    float* scores = arena.take<float>(score_stride(count));
    float* context = arena.take<float>(context_stride(width));

    for (int j = 0; j < count; ++j) {
        keys.prefetch(j + kAhead);
        Vec dot{};
        for (int c = 0; c < width; c += kLanes) dot += queries.lanes(0, c) * keys.lanes(j, c);
        scores[j] = reduce_add(dot);
    }
    float weight;
    softmax(1, scores, 0, count, softmax_scale(width), &weight);
    memset(context, 0, context_stride(width) * sizeof(float));
    for (int j = 0; j < count; ++j) {
        values.prefetch(j + kAhead);
        const Vec p = splat(scores[j]);
        for (int c = 0; c < width; c += kLanes)
            store(context + c, load(context + c) + p * values.lanes(j, c));
    }
    store_context<E>(task, 0, 1, context, &weight);
}

}  // namespace
}  // namespace ltp
