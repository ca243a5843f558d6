// Attention of one head for a tile of query rows, 16 to a warp, and, where scores are wanted, the
// probability that each key receives. Without scores one sweep over the keys does, with rescaling
// as the maximum grows. With scores a first sweep finds each row's maximum and sum, and a second
// one has exact probabilities, which can be added up over rows.
#pragma once

#include "attend_input.cuh"
#include "attend_output.cuh"
#include "softmax.cuh"

namespace ltp::cuda {

/// Scores of keys that are not alive or not there. A lane's keys are at bits 0 and 1 of each byte.
__device__ __forceinline__ void mask(float (&s)[kKeyPart / 8][4], unsigned alive) {
    if ((alive & 0x03030303u) == 0x03030303u) return;  // in most parts all are there
#pragma unroll
    for (int n = 0; n < kKeyPart / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) s[n][i] = alive >> (n * 8 + i % 2) & 1 ? s[n][i] : -INFINITY;
}

template <int kSize, bool kScores>
__device__ __forceinline__ void attend_tile(const Arguments& a, const Tile& tile, int head,
                                            AttendShared<kSize>& shared) {
    constexpr int kKeys = kAttendKeys<kSize>;
    const Sequence& sequence = tile.sequence;
    const bool idle = finished(a, sequence);

    // Carry::First wants the scores of all rows but the context of one.
    const bool wants_context = a.carry != Carry::First || tile.begins_sequence();
    const int keys = sequence.size(), tiles = (keys + kKeys - 1) / kKeys;
    const bool twice = kScores && keys > kKeyPart;
    const int last_sweep = twice ? tiles : 0, steps = last_sweep + tiles;
    const auto first_key = [&](int step) {
        return (step < last_sweep ? step : step - last_sweep) * kKeys;
    };
    const auto wants_values = [&](int step) {
        return wants_context && (step >= last_sweep || tiles == 1);
    };

    AttendInput<kSize> input(a, sequence, head);
    input.fetch_keys(0);
    if (wants_values(0)) input.fetch_values(0);
    if (idle) return clear_context(a, tile, head);
    unsigned query[kSize / 8][2];
    bool alive[2];
    const int row = tile.first - sequence.begin + warp() * 16 + lane() / 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) alive[r] = input.load_query(query, row + 8 * r, r);

    Softmax softmax{score_scale(a.head_size)};
    float context[kSize / 8][4] = {}, factor[2], normaliser[2];
    unsigned long long key_alive = 0;
    for (int step = 0; step < steps; ++step) {
        if (step == 0 || tiles > 1) {  // a tile that is the only one stays
            __syncthreads();           // all threads are done with the tile before
            if (kScores && step > last_sweep)
                shared.sums.flush(a.scores + sequence.begin + first_key(step - 1), kKeys);
            key_alive = input.store(shared, wants_values(step)) >> (lane() % 4 * 2);
            __syncthreads();
            if (step + 1 < steps) {
                input.fetch_keys(first_key(step + 1));
                if (wants_values(step + 1)) input.fetch_values(first_key(step + 1));
            }
        }
        const int parts_end = min(kKeys, keys - first_key(step));
#pragma unroll 1
        for (int part = 0; part < parts_end; part += kKeyPart) {
            float s[kKeyPart / 8][4];
            multiply_keys(s, query, shared.keys, part);
            mask(s, static_cast<unsigned>(key_alive >> part));
            if (twice && step >= last_sweep)
                softmax.exponentiate(s);
            else
                softmax.add(s, factor);
            if (!kScores) {
                const bool grows =
                    factor[0] != 1.f || factor[1] != 1.f;  // rarely, once a few tiles were seen
                if (__ballot_sync(kAllLanes, grows)) scale_rows(context, factor);
            } else {
                if (step < last_sweep) continue;
                if (step == last_sweep && part == 0) softmax.normaliser(alive, normaliser);
                scale_rows(s, normaliser);
                shared.sums.put(s, part);
            }
            if (wants_context) multiply_values(context, s, shared.values, part);
        }
    }
    if (kScores) {
        __syncthreads();
        const int last = first_key(steps - 1);
        shared.sums.flush(a.scores + sequence.begin + last, keys - last);
    } else {
        softmax.normaliser(alive, normaliser);
        scale_rows(context, normaliser);
    }
    if (wants_context) store_context<kSize>(a, sequence, head, row, context);
}

template <int kSize, bool kScores>
__device__ __forceinline__ void attend(const Arguments& a) {
    LTP_SHARED(AttendShared<kSize>, shared);
    const int head = blockIdx.y;
    const Tile tile = find_tile<kAttendRows>(a, blockIdx.x);
    if (!compacts(a.carry) && head == 0) carry_in_place(a, tile);
    if (!tile.empty())
        attend_tile<kSize, kScores>(a, tile, head, shared);
    else if (a.carry == Carry::First)
        clear_context(a, tile, head);
    if (is_to_decide<kScores>(a, tile, head)) decide(a, tile.sequence, shared.decide);
}

}  // namespace ltp::cuda
