// Attention of one head over one sequence, block of query rows by block: scores, softmax, column sums,
// context. How the two matrix products are done is the parameter `Math`, a class with
//
//   kBlock                          query rows per block
//   Math(Arena&, count, head_size)  takes its buffers from the arena
//   pack_keys / pack_values(Rows)   brings all keys / values into the layout its products want
//   pack_queries(Rows, first, m)
//   scores(m, s, stride)            s[m][stride] = Q K^T, not scaled; columns >= count may hold anything
//   context(m, s, stride, c)        c[m][context_stride(head_size)] = S V, with S zero in the vector after count
#pragma once

#include <cfloat>

#include "arena.h"
#include "kernel.h"
#include "vec.h"

namespace ltp {
namespace {

/// The alive rows of one of Q, K, V.
template <class E>
struct Rows {
    const E* base;
    size_t stride;
    const int32_t* index;
    int count, width;

    Rows(const void* first, const HeadTask& task)
        : base(static_cast<const E*>(first)), stride(task.stride), index(task.rows), count(task.count),
          width(task.head_size) {}
    const E* operator[](int i) const { return base + index[i] * stride; }
    void prefetch(int i) const {
        if (i >= count) return;
        for (int c = 0; c < width; c += 64 / int{sizeof(E)}) __builtin_prefetch((*this)[i] + c);
    }
    /// Lanes from `column` on of row i; zero beyond the last row and column.
    Vec lanes(int i, int column) const { return i < count ? load((*this)[i] + column, width - column) : Vec{}; }
};

constexpr int context_stride(int head_size) { return round_up(head_size, kLanes); }
/// One vector more than needed, so that rows of a long sequence do not all fall into the same cache sets.
constexpr int score_stride(int count) { return round_up(count, 64) + kLanes; }

/// exp((x - max) * scale) in place over `count` scores, zero in the rest of the last vector. Returns 1 / sum.
inline float softmax(float* scores, int count, float scale) {
    const int last = round_up(count, kLanes) - kLanes;
    const VecInt valid = first_lanes(count - last);
    const Vec scale_log2e = splat(scale * 1.44269504f);
    Vec best0 = valid ? load(scores + last) : splat(-FLT_MAX), best1 = best0;
    int j = 0;
    for (; j + kLanes < last; j += 2 * kLanes) {
        best0 = larger(best0, load(scores + j));
        best1 = larger(best1, load(scores + j + kLanes));
    }
    if (j < last) best0 = larger(best0, load(scores + j));
    const Vec max = splat(reduce_max(larger(best0, best1))) * scale_log2e;
    Vec sum0{}, sum1{};
    const auto exponential = [&](int at) { return exp2_nonpositive(load(scores + at) * scale_log2e - max); };
    for (j = 0; j + kLanes < last; j += 2 * kLanes) {
        const Vec e0 = exponential(j), e1 = exponential(j + kLanes);
        store(scores + j, e0);
        store(scores + j + kLanes, e1);
        sum0 += e0;
        sum1 += e1;
    }
    if (j < last) {
        const Vec e = exponential(j);
        store(scores + j, e);
        sum0 += e;
    }
    const Vec e = valid ? exponential(last) : Vec{};
    store(scores + last, e);
    return 1.f / reduce_add(sum0 + (sum1 + e));
}

/// Adds weight[0..m) * scores[m][Vecs * kLanes] to sums[Vecs * kLanes].
template <int Vecs>
inline void add_weighted_rows(int m, const float* scores, int stride, const float* weight, float* sums) {
    Vec sum[Vecs];
    for (int k = 0; k < Vecs; ++k) sum[k] = load(sums + k * kLanes);
    for (int i = 0; i < m; ++i)
        for (int k = 0; k < Vecs; ++k) sum[k] += splat(weight[i]) * load(scores + size_t(i) * stride + k * kLanes);
    for (int k = 0; k < Vecs; ++k) store(sums + k * kLanes, sum[k]);
}

inline void add_column_sums(int m, const float* scores, int stride, const float* weight, int count, float* sums) {
    constexpr int kAtOnce = 4;  // as many independent additions hide their latency
    int j = 0;
    for (; j + kAtOnce * kLanes <= count; j += kAtOnce * kLanes)
        add_weighted_rows<kAtOnce>(m, scores + j, stride, weight, sums + j);
    for (; j < count; j += kLanes) add_weighted_rows<1>(m, scores + j, stride, weight, sums + j);
}

template <class E>
inline void store_context(const HeadTask& task, int first, int m, const float* context, const float* weight) {
    for (int i = 0; i < m; ++i) {
        E* row = static_cast<E*>(task.context) + task.rows[first + i] * task.context_stride;
        const float* from = context + i * context_stride(task.head_size);
        for (int c = 0; c < task.head_size; c += kLanes)
            store(row + c, load(from + c) * splat(weight[i]), task.head_size - c);
    }
}

inline float softmax_scale(int head_size) { return 1.f / __builtin_sqrtf(static_cast<float>(head_size)); }

template <class Math>
struct Buffers {
    Math math;
    float* scores;   // [kBlock][score_stride]
    float* context;  // [kBlock][context_stride]
    float* sums;     // [count rounded up]

    Buffers(Arena& arena, int count, int head_size)
        : math(arena, count, head_size), scores(arena.take<float>(size_t(Math::kBlock) * score_stride(count))),
          context(arena.take<float>(Math::kBlock * context_stride(head_size))),
          sums(arena.take<float>(round_up(count, kLanes))) {}
};

template <class Math>
size_t scratch_bytes(int count, int head_size) {
    Arena arena(nullptr);
    Buffers<Math>(arena, count, head_size);
    return arena.used();
}

template <class Math, class E>
void attend(const HeadTask& task, void* scratch) {
    const int count = task.count, stride = score_stride(count);
    const float scale = softmax_scale(task.head_size);
    Arena arena(scratch);
    Buffers<Math> buffers(arena, count, task.head_size);
    Math& math = buffers.math;

    const Rows<E> queries(task.query, task);
    math.pack_keys(Rows<E>(task.key, task));
    math.pack_values(Rows<E>(task.value, task));
    memset(buffers.sums, 0, round_up(count, kLanes) * sizeof(float));
    for (int first = 0; first < count; first += Math::kBlock) {
        const int m = smaller(Math::kBlock, count - first);
        float weight[Math::kBlock];  // turns unnormalised probabilities into probabilities
        math.pack_queries(queries, first, m);
        math.scores(m, buffers.scores, stride);
        for (int i = 0; i < m; ++i)
            weight[i] = softmax(buffers.scores + size_t(i) * stride, count, scale);
        if (task.column_sums) add_column_sums(m, buffers.scores, stride, weight, count, buffers.sums);
        if (const int wanted = smaller(m, task.context_rows - first); wanted > 0) {
            math.context(wanted, buffers.scores, stride, buffers.context);
            store_context<E>(task, first, wanted, buffers.context, weight);
        }
    }
    if (task.column_sums) memcpy(task.column_sums, buffers.sums, count * sizeof(float));
}

}  // namespace
}  // namespace ltp
