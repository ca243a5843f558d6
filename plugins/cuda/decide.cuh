// Which rows of a sequence survive. The block of attention that is done with the sequence last
// decides about it, so that no other kernel has to be launched, and no block ever waits.
#pragma once

#include "decision.cuh"

namespace ltp::cuda {

struct DecideShared {
    int warp_count[kAttendThreads / kWarpSize];
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
        for (int w = 0; w < kAttendThreads / kWarpSize; ++w) {
            if (w < warp()) rank += shared.warp_count[w];
            total += shared.warp_count[w];
        }
    }
};

/// Whether a block, done with a tile and a head, is to decide about its sequence: the last one to
/// come here, which then sees what the others wrote. Without scores it is the first tile's, since
/// the decision is about what came in. With garbage offsets it may be nobody.
template <bool kScores>
__device__ inline bool is_to_decide(const Arguments& a, const Tile& tile, int head) {
    const Sequence& s = tile.sequence;
    if (s.index == a.sequences) return false;
    if (!kScores) return compacts(a.carry) && head == 0 && tile.begins_sequence();
    if (tile.empty() && !tile.begins_sequence()) return false;  // more blocks than tiles
    // What this block wrote is to be seen by whoever sees that it was here.
    __syncthreads();
    bool last = false;
    if (threadIdx.x == 0) {
        const unsigned blocks = max((s.size() + kAttendRows - 1) / kAttendRows, 1) * a.heads;
        __threadfence();
        last = atomicAdd(a.blocks_done + s.index, 1u) == blocks - 1;
        if (last) __threadfence();
    }
    return __syncthreads_or(last);
}

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

__device__ inline void decide(const Arguments& a, const Sequence& s, DecideShared& shared) {
    const bool first_only = a.carry == Carry::First, empty = s.size() == 0,
               was_finished = empty || finished(a, s);
    int carried = 0;
    bool goes_on = false;
    if (!was_finished) {
        const Decision decision(a, s);
        goes_on = decision.survives(0, decision.key(0), 0);
        int ties = 0;
        for (int chunk = 0; chunk < s.size() && !first_only; chunk += kAttendThreads) {
            const int i = chunk + threadIdx.x;
            const unsigned key = decision.key(i);
            const BlockRank tied(decision.tied(key), shared);
            const bool survives = goes_on && decision.survives(i, key, ties + tied.rank);
            ties += tied.total;
            if (compacts(a.carry)) {
                const BlockRank place(survives, shared);
                if (survives) a.survivors[s.begin + carried + place.rank] = s.begin + i;
                carried += place.total;
            } else {
                // The first row, if it is pruned here, still finishes this layer.
                mark_pruned(a, s.begin + i, key != Decision::kNotAlive && !survives, i > 0);
            }
        }
    }
    if (threadIdx.x > 0) return;
    if (first_only) {
        a.alive_out[s.index] = goes_on;
    } else if (compacts(a.carry)) {
        if (!empty && !goes_on) a.survivors[s.begin] = ~s.begin;
        a.survivor_counts[s.index] = empty ? 0 : goes_on ? carried : 1;
    }
}

}  // namespace ltp::cuda
