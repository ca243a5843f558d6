// Attention of one head over one sequence, block of query rows by block: scores, softmax, column
// sums, context. How the two matrix products are done is the parameter `Math`, a class with
//
//   kBlock                          query rows per block
//   Math(Arena&, count, head_size)  takes its buffers from the arena
//   pack_keys / pack_values(Rows)   brings all keys / values into the layout its products want
//   pack_queries(Rows, first, m)
//   scores(m, s, stride)            s[m][stride] = Q K^T, not scaled; anything in columns >= count
//   context(m, s, stride, c)        c[m][context_stride(head_size)] = S V; S is zero up to the next
//                                   whole vector
#pragma once

#include <cfloat>

#include "arena.h"
#include "denormals.h"
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
        : base(static_cast<const E*>(first)),
          stride(task.stride),
          index(task.rows),
          count(task.count),
          width(task.head_size) {}
    const E* operator[](int i) const { return base + index[i] * stride; }
    void prefetch(int i) const {
        if (i < count) ltp::prefetch((*this)[i], width);
    }
    /// Lanes from `column` on of row i; zero beyond the last row and column.
    Vec lanes(int i, int column) const {
        return i < count ? load((*this)[i] + column, width - column) : Vec{};
    }
};

constexpr int context_stride(int head_size) { return round_up(head_size, kLanes); }
/// One vector more than needed, so that rows of a long sequence do not all fall into the same cache
/// sets.
constexpr int score_stride(int count) { return round_up(count, 64) + kLanes; }

inline float largest(const float* scores, int count) {
    Vec best = splat(-FLT_MAX);
    int j = 0;
    for (; j + kLanes <= count; j += kLanes) best = larger(best, load(scores + j));
    if (j < count) best = first_lanes(count - j) ? larger(best, load(scores + j)) : best;
    return reduce_max(best);
}

/// exp2(x * scale - max) in place over `count` scores, zero in the rest of the last vector. Returns
/// the sum.
inline float exponentials(float* scores, int count, float scale, float max) {
    const auto exponential = [&](int at) {
        return exp2_nonpositive(load(scores + at) * splat(scale) - splat(max));
    };
    Vec sum{};
    const auto put = [&](int at, Vec e) {
        store(scores + at, e);
        sum += e;
    };
    int j = 0;
    for (; j + kLanes <= count; j += kLanes) put(j, exponential(j));
    if (j < count) put(j, first_lanes(count - j) ? exponential(j) : Vec{});
    return reduce_add(sum);
}

/// Softmax of m rows of `count` scores times `scale`, but for a factor of each row, which goes to
/// `weight`. Each pass is over all rows, so that the reductions of several rows overlap.
inline void softmax(int m, float* scores, int stride, int count, float scale, float* weight) {
    const float scale_log2e = scale * 1.44269504f;
    for (int i = 0; i < m; ++i)
        weight[i] = largest(scores + size_t(i) * stride, count) * scale_log2e;
    for (int i = 0; i < m; ++i)
        weight[i] = exponentials(scores + size_t(i) * stride, count, scale_log2e, weight[i]);
    for (int i = 0; i < m; ++i) weight[i] = 1.f / weight[i];
}

/// Adds weight[0..m) * scores[m][Vecs * kLanes] to sums[Vecs * kLanes].
template <int Vecs>
inline void add_weighted_rows(int m, const float* scores, int stride, const float* weight,
                              float* sums) {
    Vec sum[Vecs];
    for (int k = 0; k < Vecs; ++k) sum[k] = load(sums + k * kLanes);
    for (int i = 0; i < m; ++i)
        for (int k = 0; k < Vecs; ++k)
            sum[k] += splat(weight[i]) * load(scores + size_t(i) * stride + k * kLanes);
    for (int k = 0; k < Vecs; ++k) store(sums + k * kLanes, sum[k]);
}

inline void add_column_sums(int m, const float* scores, int stride, const float* weight, int count,
                            float* sums) {
    constexpr int kAtOnce = 4;  // as many independent additions hide their latency
    int j = 0;
    for (; j + kAtOnce * kLanes <= count; j += kAtOnce * kLanes)
        add_weighted_rows<kAtOnce>(m, scores + j, stride, weight, sums + j);
    for (; j < count; j += kLanes) add_weighted_rows<1>(m, scores + j, stride, weight, sums + j);
}

template <class E>
inline void store_context(const HeadTask& task, int first, int m, const float* context,
                          const float* weight) {
    for (int i = 0; i < m; ++i) {
        E* row = static_cast<E*>(task.context) + task.rows[first + i] * task.context_stride;
        const float* from = context + i * context_stride(task.head_size);
        for (int c = 0; c < task.head_size; c += kLanes)
            store(row + c, load(from + c) * splat(weight[i]), task.head_size - c);
    }
}

inline float softmax_scale(int head_size) {
    return 1.f / __builtin_sqrtf(static_cast<float>(head_size));
}

template <class Math>
struct Buffers {
    Math math;
    float* scores;   // [kBlock][score_stride]
    float* context;  // [kBlock][context_stride]
    float* sums;     // [count rounded up]

    Buffers(Arena& arena, int count, int head_size)
        : math(arena, count, head_size),
          scores(arena.take<float>(size_t(Math::kBlock) * score_stride(count))),
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
    const DenormalsAreZero fast_softmax;  // as far from the largest score as exp(-87)
    Arena arena(scratch);
    Buffers<Math> buffers(arena, count, task.head_size);
    Math& math = buffers.math;

    const Rows<E> queries(task.query, task);
    math.pack_keys(Rows<E>(task.key, task));
    math.pack_values(Rows<E>(task.value, task));
    memset(buffers.sums, 0, round_up(count, kLanes) * sizeof(float));
    const int blocks = (count + Math::kBlock - 1) / Math::kBlock;
    for (int b = 0; b < blocks; ++b) {
        const int first = int64_t{count} * b / blocks,
                  m = int64_t{count} * (b + 1) / blocks - first;
        float weight[Math::kBlock];  // turns unnormalised probabilities into probabilities
        math.pack_queries(queries, first, m);
        math.scores(m, buffers.scores, stride);
        softmax(m, buffers.scores, stride, count, scale, weight);
        if (task.column_sums)
            add_column_sums(m, buffers.scores, stride, weight, count, buffers.sums);
        if (const int wanted = smaller(m, task.context_rows - first); wanted > 0) {
            math.context(wanted, buffers.scores, stride, buffers.context);
            store_context<E>(task, first, wanted, buffers.context, weight);
        }
    }
    if (task.column_sums) memcpy(task.column_sums, buffers.sums, count * sizeof(float));
}

}  // namespace
}  // namespace ltp
