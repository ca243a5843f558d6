// Attention of one head for a tile of query rows, 16 to a warp, and, where scores are wanted, the
// probability that each key receives. Without scores one sweep over the keys does, with rescaling
// as the maximum grows. With scores a first sweep finds each row's maximum and sum, and a second
// one has exact probabilities, which can be added up over rows; see attend_once.cuh for few keys.
#pragma once

#include "attend_input.cuh"
#include "attend_once.cuh"
#include "attend_output.cuh"
#include "softmax.cuh"

namespace ltp::cuda {

template <int kSize, bool kScores>
__device__ __forceinline__ void attend_tile(const Arguments& a, const Tile& tile, int head,
                                            AttendShared<kSize>& shared) {
    constexpr int kKeys = kAttendKeys<kSize>, kSweeps = kScores ? 2 : 1;
    const Sequence& sequence = tile.sequence;
    const bool idle = finished(a, sequence);
    // Carry::First wants the scores of all rows but the context of one.
    const bool wants_context = a.carry != Carry::First || tile.begins_sequence();
    const int keys = sequence.size();

    AttendInput<kSize> input(a, sequence, head);
    const auto fetch = [&](int sweep, int first) {
        input.fetch_keys(first);
        if (sweep == kSweeps - 1 && wants_context) input.fetch_values(first);
    };
    fetch(0, 0);
    if (idle) return clear_context(a, tile, head);
    unsigned query[kSize / 8][2];
    bool alive[2];
    const int row = tile.first - sequence.begin + warp() * 16 + lane() / 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) alive[r] = input.load_query(query, row + 8 * r, r);

    Softmax softmax{score_scale(a.head_size)};
    float context[kSize / 8][4] = {}, factor[2], normaliser[2];
#pragma unroll
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
        const bool last_sweep = sweep == kSweeps - 1;
        if (kScores && last_sweep) softmax.normaliser(alive, normaliser);
        for (int first = 0; first < keys; first += kKeys) {
            __syncthreads();  // all threads are done with the tile before
            if (kScores && last_sweep && first > 0)
                shared.sums.flush(a.scores, sequence.begin + first - kKeys, kKeys);
            const unsigned long long key_alive =
                input.store(shared, last_sweep && wants_context) >> (lane() % 4 * 2);
            __syncthreads();
            if (first + kKeys < keys)
                fetch(sweep, first + kKeys);
            else if (!last_sweep)
                fetch(sweep + 1, 0);
            const int parts_end = min(kKeys, keys - first);
#pragma unroll 1
            for (int part = 0; part < parts_end; part += kKeyPart) {
                float s[kKeyPart / 8][4];
                multiply_keys(s, query, shared.keys, part);
                mask(s, static_cast<unsigned>(key_alive >> part));
                if (kScores && last_sweep) {
                    softmax.exponentiate(s);
                    scale_rows(s, normaliser);
                    shared.sums.put(s, part);
                } else {
                    softmax.add(s, factor);
                    if (kScores) continue;
                    const bool grows =
                        factor[0] != 1.f || factor[1] != 1.f;  // rarely, after a few tiles
                    if (__ballot_sync(kAllLanes, grows)) scale_rows(context, factor);
                }
                if (wants_context) multiply_values(context, s, shared.values, part);
            }
        }
    }
    if (kScores) {
        __syncthreads();
        const int last = (keys - 1) / kKeys * kKeys;
        shared.sums.flush(a.scores, sequence.begin + last, keys - last);
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
    if (const Tile tile = find_tile<kAttendRows>(a, blockIdx.x); true) {
        if (!compacts(a.carry) && head == 0) carry_in_place(a, tile);
        if (tile.empty()) {
            if (a.carry == Carry::First) clear_context(a, tile, head);
        } else if (kScores && tile.sequence.size() <= kOnceKeys) {
            attend_once<kSize>(a, tile, head, shared);
        } else {
            attend_tile<kSize, kScores>(a, tile, head, shared);
        }
    }
    const Tile tile = find_tile<kAttendRows>(a, blockIdx.x);  // again: no register could hold it
    if (is_to_decide<kScores>(a, tile, head)) decide(a, tile.sequence, shared.decide);
}

}  // namespace ltp::cuda
