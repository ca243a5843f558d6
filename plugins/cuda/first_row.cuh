// Carry::First where nothing is pruned: only the first row of each sequence attends. One block per
// sequence and head reads K and V once, a key to a group of lanes; each group has its own softmax,
// and these are merged at the end.
#pragma once

#include "softmax.cuh"

namespace ltp::cuda {

constexpr int kFirstRowThreads = 128;

__device__ __forceinline__ void load8(float (&x)[8], const __half* from) {
    const uint4 chunk = *reinterpret_cast<const uint4*>(from);
    const __half2* pair = reinterpret_cast<const __half2*>(&chunk);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 two = __half22float2(pair[i]);
        x[2 * i] = two.x;
        x[2 * i + 1] = two.y;
    }
}

/// The softmax-weighted sum over some keys, of 8 of the head's columns.
struct PartialContext {
    float max, sum, context[8];

    __device__ __forceinline__ void add(float other_max, float other_sum, const float (&other)[8]) {
        const float larger = fmaxf(max, other_max);
        const float ours = power_of_two(max - larger), theirs = power_of_two(other_max - larger);
        max = larger;
        sum = sum * ours + other_sum * theirs;
#pragma unroll
        for (int i = 0; i < 8; ++i) context[i] = context[i] * ours + other[i] * theirs;
    }

    /// Merges with that of the lane `distance` away.
    __device__ __forceinline__ void merge(int distance) {
        float other[8];
#pragma unroll
        for (int i = 0; i < 8; ++i) other[i] = __shfl_xor_sync(kAllLanes, context[i], distance);
        const float other_max = __shfl_xor_sync(kAllLanes, max, distance);
        const float other_sum = __shfl_xor_sync(kAllLanes, sum, distance);
        add(other_max, other_sum, other);
    }
};

template <int kSize>
struct FirstRowShared {
    PartialContext warp[kFirstRowThreads / kWarpSize][kSize / 8];
};

template <int kSize>
__device__ __forceinline__ void first_row(const Arguments& a) {
    constexpr int kGroup = kSize / 8,
                  kKeys = kFirstRowThreads / kGroup;  // lanes to a key, keys at a time
    LTP_SHARED(FirstRowShared<kSize>, shared);
    const int b = blockIdx.x, head = blockIdx.y;
    if (head == 0 && threadIdx.x == 0) a.offsets_out[b] = b;
    if (b == a.sequences) return;

    const Sequence s = sequence(a, b);
    const bool empty = s.size() == 0, not_alive = empty || finished(a, s);
    if (head == 0 && threadIdx.x == 0) {
        a.kept[b] = empty ? 0 : s.begin;
        a.alive_out[b] = !not_alive;
    }
    const int column = threadIdx.x % kGroup * 8;
    const bool valid = column < a.head_size;
    const std::size_t stride = 3 * static_cast<std::size_t>(hidden(a));
    const __half* query = a.qkv + s.begin * stride + head * a.head_size + column;
    PartialContext mine{-1e30f, 0.f, {}};  // of no keys
    if (!not_alive) {
        float q[8] = {};
        if (valid) load8(q, query);
        const float scale = score_scale(a.head_size);
#pragma unroll 2
        for (int first = 0; first < s.size(); first += kKeys) {
            const int row = first + threadIdx.x / kGroup;
            const bool alive = row < s.size() && a.alive[s.begin + row] != 0;
            float key[8] = {}, value[8] = {};
            if (alive && valid) {
                load8(key, query + row * stride + hidden(a));
                load8(value, query + row * stride + 2 * hidden(a));
            }
            float score = 0.f;
#pragma unroll
            for (int i = 0; i < 8; ++i) score += q[i] * key[i];
#pragma unroll
            for (int distance = 1; distance < kGroup; distance *= 2)
                score += __shfl_xor_sync(kAllLanes, score, distance);
            mine.add(alive ? score * scale : -INFINITY, 1.f, value);
        }
#pragma unroll
        for (int distance = kGroup; distance < kWarpSize; distance *= 2) mine.merge(distance);
        if (lane() < kGroup) shared.warp[warp()][lane()] = mine;
    }
    __syncthreads();
    if (threadIdx.x >= kGroup || !valid) return;
    uint4 out = {};
    if (!not_alive) {
#pragma unroll
        for (int w = 1; w < kFirstRowThreads / kWarpSize; ++w) {
            const PartialContext& other = shared.warp[w][threadIdx.x];
            mine.add(other.max, other.sum, other.context);
        }
        __half2* pair = reinterpret_cast<__half2*>(&out);
#pragma unroll
        for (int i = 0; i < 4; ++i)
            pair[i] = __floats2half2_rn(mine.context[2 * i] / mine.sum,
                                        mine.context[2 * i + 1] / mine.sum);
    }
    *reinterpret_cast<uint4*>(a.context + static_cast<std::size_t>(b) * hidden(a) +
                              head * a.head_size + column) = out;
}

}  // namespace ltp::cuda
