// Scores are summed in fixed point: integer addition is associative, so that a sequence's scores
// depend neither on the order in which blocks run nor on what else is in the batch. 40 bits of
// fraction leave 23 for heads * alive rows.
#pragma once

#include <cuda_fp16.h>

namespace ltp::cuda {

constexpr float kFixedPointOne = 1099511627776.f;  // 2^40
constexpr unsigned long long kNan = 1ull << 63;    // a sign bit, which no sum reaches

__device__ inline void add_score(unsigned long long* score, float x) {
    if (x > 0.f) atomicAdd(score, __float2ull_rn(x * kFixedPointOne));
    if (x != x) atomicOr(score, kNan);
}

__device__ inline float to_float(unsigned long long score) {
    return score & kNan ? nanf("") : static_cast<float>(score) / kFixedPointOne;
}

}  // namespace ltp::cuda
