// Which rows of a sequence survive; one block per sequence. A score becomes an integer key of the same order, so that
// the k-th best is found by building it up bit by bit, counting how many keys reach it: no limit on the length.
#pragma once

#include "fixed_point.cuh"
#include "sequences.cuh"

namespace ltp::cuda {

constexpr int kDecideThreads = 512, kDecideWarps = kDecideThreads / kWarpSize;

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

/// The rule on one sequence, row by row. All threads of the block make and ask it together.
class Decision {
public:
    static constexpr unsigned kDead = 0, kFirst = ~0u, kNanKey = ~0u;  // NaN ranks highest, as in ranks_before

    __device__ Decision(const Arguments& a, const Sequence& s) : a_(a), s_(s), prunes_(prunes(a.rule)) {
        own_ = compute_key(threadIdx.x);
        const int length = a.lengths[s.index];
        if (!prunes_) return;
        if (a.rule.mode == Mode::TopK) {
            const int keep = keep_count(a.rule, length, count_reaching(1));
            limit_ = keep > 0 ? best(keep) : ~0u;
            ties_ = keep - (limit_ < ~0u ? count_reaching(limit_ + 1) : 0);
        } else {
            const float highest = a.rule.mode == Mode::Relative ? score(best(1)) : 0.f;
            divisor_ = score_divisor(a.rule, a.heads, length, highest);
        }
    }

    /// Of row i of the sequence.
    __device__ unsigned key(int i) const { return i == static_cast<int>(threadIdx.x) ? own_ : compute_key(i); }

    /// Whether it ranks neither before nor behind the last survivor but for its index.
    __device__ bool tied(unsigned key) const { return prunes_ && a_.rule.mode == Mode::TopK && key == limit_; }

    /// ties_before: tied rows of lower index.
    __device__ bool survives(int i, unsigned key, int ties_before) const {
        if (key == kDead) return false;
        if (!prunes_ || (a_.rule.keep_first && i == 0)) return true;
        if (a_.rule.mode == Mode::TopK) return key > limit_ || (key == limit_ && ties_before < ties_);
        return !below_threshold(score(key), divisor_, a_.rule.threshold);
    }

private:
    __device__ unsigned compute_key(int i) const {
        if (i >= s_.size() || a_.alive[s_.begin + i] == 0) return kDead;
        if (!prunes_) return 1;
        if (a_.rule.mode == Mode::TopK && a_.rule.keep_first && i == 0) return kFirst;
        const float score = to_float(a_.scores[s_.begin + i]);
        return score != score ? kNanKey : __float_as_uint(score) + 1;  // scores are not negative
    }

    __device__ static float score(unsigned key) { return key == kNanKey ? nanf("") : __uint_as_float(key - 1); }

    __device__ int count_reaching(unsigned least) const {
        int count = 0;
        for (int first = 0; first < s_.size(); first += kDecideThreads)
            count += __syncthreads_count(key(first + threadIdx.x) >= least);
        return count;
    }

    /// The k-th largest key.
    __device__ unsigned best(int k) const {
        unsigned found = 0;
        for (unsigned bit = 1u << 31; bit > 0; bit /= 2)
            if (count_reaching(found | bit) >= k) found |= bit;
        return found;
    }

    const Arguments& a_;
    const Sequence s_;
    const bool prunes_;
    unsigned own_;  // the key of this thread's first row, which for most sequences is the only one
    unsigned limit_ = 0;
    int ties_ = 0;
    float divisor_ = 1.f;
};

/// Carry::All: rows that just died; a warp clears the context of those of its threads.
__device__ inline void mark_dead(const Arguments& a, int row, bool dead, bool clear) {
    if (dead) a.alive_out[row] = 0;
    const int first = row - lane();
    for (unsigned rest = __ballot_sync(kAllLanes, dead && clear); rest; rest &= rest - 1) {
        const std::size_t cleared = first + __ffs(rest) - 1;
        uint4* out = reinterpret_cast<uint4*>(a.context + cleared * hidden(a));
        for (int i = lane(); i < hidden(a) / 8; i += kWarpSize) out[i] = uint4{};
    }
}

/// Carry::First: the row of a sequence without any.
__device__ inline void put_nobody(const Arguments& a, int b) {
    uint4* out = reinterpret_cast<uint4*>(a.context + static_cast<std::size_t>(b) * hidden(a));
    for (int i = threadIdx.x; i < hidden(a) / 8; i += kDecideThreads) out[i] = uint4{};
}

__device__ inline void decide(const Arguments& a) {
    LTP_SHARED(DecideShared, shared);
    const int b = blockIdx.x;
    const bool first_only = a.carry == Carry::First, compacts = !first_only && a.carry != Carry::All;
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
                // The first row, if it dies here, still finishes this layer.
                mark_dead(a, s.begin + i, key != Decision::kDead && !survives, i > 0);
            }
        }
    }
    if (first_only && empty) put_nobody(a, b);
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
