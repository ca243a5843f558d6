// Attention with scores for sequences of few keys: the scores of a warp's 16 query rows with all of
// them stay in registers, so that one sweep finds the maximum and the sum, and leaves exact
// probabilities, which can be added up over rows.
#pragma once

#include "attend_input.cuh"
#include "attend_output.cuh"
#include "softmax.cuh"

namespace ltp::cuda {

template <int kSize>
__device__ __forceinline__ void attend_once(const Arguments& a, const Tile& tile, int head,
                                            AttendShared<kSize>& shared) {
    constexpr int kKeys = kAttendKeys<kSize>, kPair = 2 * kKeys, kParts = kOnceKeys / kKeyPart;
    const Sequence& sequence = tile.sequence;
    const bool idle = finished(a, sequence);
    const bool wants_context = a.carry != Carry::First || tile.begins_sequence();
    const int keys = sequence.size();
    const bool one_tile = keys <= kKeys;  // whose values come with the keys, and stay

    AttendInput<kSize> input(a, sequence, head);
    input.fetch_first_pair(one_tile);
    std::int32_t flag[kParts];
#pragma unroll
    for (int i = 0; i < kParts; ++i) flag[i] = input.alive_flag(i * kKeyPart + lane());
    if (idle) return clear_context(a, tile, head);
    unsigned query[kSize / 8][2];
    bool alive[2];
    const int row = tile.first - sequence.begin + warp() * 16 + lane() / 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) alive[r] = input.load_query(query, row + 8 * r, r);
    unsigned key_alive[kParts];
#pragma unroll
    for (int i = 0; i < kParts; ++i) key_alive[i] = __ballot_sync(kAllLanes, flag[i] != 0);

    float p[kParts][kKeyPart / 8][4], largest[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (int first = 0; first < kOnceKeys; first += kPair) {
        if (first >= keys) continue;
        if (first > 0) __syncthreads();  // all threads are done with the pair before
        input.store_pair(shared, key_alive, first, one_tile);
        __syncthreads();
        if (first + kPair < min(keys, kOnceKeys)) input.fetch_pair(kKeyMatrix, first + kPair);
#pragma unroll
        for (int part = 0; part < kPair; part += kKeyPart) {
            const int i = (first + part) / kKeyPart;
            if (first + part >= keys) continue;
            multiply_keys(p[i], query, part < kKeys ? shared.keys : shared.values, part % kKeys);
            mask(p[i], key_alive[i] >> (lane() % 4 * 2));
            Softmax::take_larger(largest, p[i]);
        }
    }

    const bool fetches_values = wants_context && !one_tile;
    if (fetches_values) input.fetch_pair(kValueMatrix, 0);  // the queries' registers are free now
    Softmax softmax{score_scale(a.head_size)};
    float context[kSize / 8][4] = {}, normaliser[2];
    softmax.raise(largest, normaliser);
#pragma unroll
    for (int i = 0; i < kParts; ++i)
        if (i * kKeyPart < keys) softmax.sum_exponentials(p[i]);
    softmax.normaliser(alive, normaliser);
#pragma unroll
    for (int first = 0; first < kOnceKeys; first += kPair) {
        if (first >= keys) continue;
        if (fetches_values) {
            __syncthreads();  // all threads are done with the pair before
            input.store_pair(shared, key_alive, first, false);
            __syncthreads();
            if (first + kPair < min(keys, kOnceKeys)) input.fetch_pair(kValueMatrix, first + kPair);
        }
#pragma unroll
        for (int part = 0; part < kPair; part += kKeyPart) {
            const int i = (first + part) / kKeyPart;
            if (first + part >= keys) continue;
            scale_rows(p[i], normaliser);
            shared.sums.put(p[i], first + part);
            if (wants_context)
                multiply_values(context, p[i],
                                part < kKeys && !one_tile ? shared.keys : shared.values,
                                part % kKeys);
        }
    }
    __syncthreads();
    shared.sums.flush(a.scores, sequence.begin, keys);
    if (wants_context) store_context<kSize>(a, sequence, head, row, context);
}

}  // namespace ltp::cuda
