// The pruning rule on one sequence. A score becomes an integer key of the same order, so that the
// k-th best is found by building it up bit by bit, counting how many keys reach it: no limit on the
// length.
#pragma once

#include "fixed_point.cuh"
#include "sequences.cuh"

namespace ltp::cuda {

/// All threads of a block make it together; each then asks about rows of its own.
class Decision {
public:
    static constexpr unsigned kNotAlive = 0, kFirst = ~0u,
                              kNanKey = ~0u;  // NaN ranks highest, as in ranks_before

    __device__ Decision(const Arguments& a, const Sequence& s)
        : a_(a), s_(s), prunes_(prunes(a.rule)), top_k_(prunes_ && a.rule.mode == Mode::TopK) {
#pragma unroll
        for (int i = 0; i < kOwn; ++i) own_[i] = compute_key(i * kAttendThreads + threadIdx.x);
        const int length = a.lengths[s.index];
        if (!prunes_) return;
        if (top_k_) {
            const int keep = keep_count(a.rule, length, count_reaching(1));
            limit_ = keep > 0 ? best(keep) : ~0u;
            ties_ = keep - (limit_ < ~0u ? count_reaching(limit_ + 1) : 0);
        } else {
            const float highest = a.rule.mode == Mode::Relative ? score(best(1)) : 0.f;
            divisor_ = score_divisor(a.rule, a.heads, length, highest);
        }
    }

    /// Of row i of the sequence.
    __device__ unsigned key(int i) const {
        return i == static_cast<int>(threadIdx.x) ? own_[0] : compute_key(i);
    }

    /// Whether it ranks neither before nor after the last survivor but for its index.
    __device__ bool tied(unsigned key) const { return top_k_ && key == limit_; }

    /// ties_before: tied rows of lower index.
    __device__ bool survives(int i, unsigned key, int ties_before) const {
        if (key == kNotAlive) return false;
        if (!prunes_ || (a_.rule.keep_first && i == 0)) return true;
        if (top_k_) return key > limit_ || (key == limit_ && ties_before < ties_);
        return !below_threshold(score(key), divisor_, a_.rule.threshold);
    }

private:
    __device__ unsigned compute_key(int i) const {
        if (i >= s_.size() || a_.alive[s_.begin + i] == 0) return kNotAlive;
        if (!prunes_) return 1;
        if (top_k_ && a_.rule.keep_first && i == 0) return kFirst;
        const float score = to_float(__ldcg(a_.scores + s_.begin + i));  // others have added to it
        return score != score ? kNanKey : __float_as_uint(score) + 1;    // scores are not negative
    }

    __device__ static float score(unsigned key) {
        return key == kNanKey ? nanf("") : __uint_as_float(key - 1);
    }

    __device__ int count_reaching(unsigned least) const {
        int count = 0;
#pragma unroll
        for (int i = 0; i < kOwn; ++i)
            if (i * kAttendThreads < s_.size()) count += __syncthreads_count(own_[i] >= least);
        for (int first = kOwn * kAttendThreads; first < s_.size(); first += kAttendThreads)
            count += __syncthreads_count(compute_key(first + threadIdx.x) >= least);
        return count;
    }

    /// The k-th largest key.
    __device__ unsigned best(int k) const {
        unsigned found = 0;
        for (unsigned bit = 1u << 31; bit > 0; bit /= 2)
            if (count_reaching(found | bit) >= k) found |= bit;
        return found;
    }

    static constexpr int kOwn = 4;  // the first keys of a thread, all it has but for long sequences

    const Arguments& a_;
    const Sequence s_;
    const bool prunes_, top_k_;
    unsigned own_[kOwn];
    unsigned limit_ = 0;
    int ties_ = 0;
    float divisor_ = 1.f;
};

}  // namespace ltp::cuda
