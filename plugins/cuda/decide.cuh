// Which rows of a sequence survive; one block per sequence.
#pragma once

#include "decision.cuh"

namespace ltp::cuda {

constexpr int kDecideWarps = kDecideThreads / kWarpSize;

struct DecideShared {
    int warp_count[kDecideWarps];
};

/// The number of threads before this one for which `is` holds, and of all of them.
struct BlockRank {
    int rank, total = 0;

    __device__ BlockRank(bool is, DecideShared& shared) {
        const unsigned ballot = __ballot_sync(kAllLanes, is);
        __syncthreads();  // the counts of the last time have been read
        if (lane() == 0) shared.warp_count[warp()] = __popc(ballot);
        __syncthreads();
        rank = __popc(ballot & ((1u << lane()) - 1));
        for (int w = 0; w < kDecideWarps; ++w) {
            if (w < warp()) rank += shared.warp_count[w];
            total += shared.warp_count[w];
        }
    }
};

/// Carry::All: rows pruned by this layer; a warp clears the context of those of its threads.
__device__ inline void mark_pruned(const Arguments& a, int row, bool pruned, bool clear) {
    if (pruned) a.alive_out[row] = 0;
    const int first = row - lane();
    for (unsigned rest = __ballot_sync(kAllLanes, pruned && clear); rest; rest &= rest - 1) {
        const std::size_t cleared = first + __ffs(rest) - 1;
        uint4* out = reinterpret_cast<uint4*>(a.context + cleared * hidden(a));
        for (int i = lane(); i < hidden(a) / 8; i += kWarpSize) out[i] = uint4{};
    }
}

/// Carry::First: the row of a sequence without any.
__device__ inline void put_padding(const Arguments& a, int b) {
    uint4* out = reinterpret_cast<uint4*>(a.context + static_cast<std::size_t>(b) * hidden(a));
    for (int i = threadIdx.x; i < hidden(a) / 8; i += kDecideThreads) out[i] = uint4{};
}

__device__ inline void decide(const Arguments& a) {
    LTP_SHARED(DecideShared, shared);
    const int b = blockIdx.x;
    const bool first_only = a.carry == Carry::First,
               compacts = !first_only && a.carry != Carry::All;
    if (first_only && threadIdx.x == 0) a.offsets_out[b] = b;
    if (b == a.sequences) return;

    const Sequence s = sequence(a, b);
    const bool empty = s.size() == 0, was_finished = empty || finished(a, s);
    int carried = 0;
    bool goes_on = false;
    if (!was_finished) {
        const Decision decision(a, s);
        goes_on = decision.survives(0, decision.key(0), 0);
        int ties = 0;
        for (int chunk = 0; chunk < s.size() && !first_only; chunk += kDecideThreads) {
            const int i = chunk + threadIdx.x;
            const unsigned key = decision.key(i);
            const BlockRank tied(decision.tied(key), shared);
            const bool survives = goes_on && decision.survives(i, key, ties + tied.rank);
            ties += tied.total;
            if (compacts) {
                const BlockRank place(survives, shared);
                if (survives) a.survivors[s.begin + carried + place.rank] = s.begin + i;
                carried += place.total;
            } else {
                // The first row, if it is pruned here, still finishes this layer.
                mark_pruned(a, s.begin + i, key != Decision::kNotAlive && !survives, i > 0);
            }
        }
    }
    if (first_only && empty) put_padding(a, b);
    if (threadIdx.x > 0) return;
    if (first_only) {
        a.kept[b] = empty ? 0 : s.begin;
        a.alive_out[b] = goes_on;
    } else if (compacts) {
        if (!empty && !goes_on) a.survivors[s.begin] = ~s.begin;
        a.survivor_counts[b] = empty ? 0 : goes_on ? carried : 1;
    }
}

}  // namespace ltp::cuda
