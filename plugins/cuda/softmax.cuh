// The softmax over the keys of a warp's 16 query rows, tile by tile. A lane has elements of the
// rows g and g + 8, see mma.cuh; the four lanes of a quad share these rows.
#pragma once

#include "tile.cuh"

namespace ltp::cuda {

__device__ __forceinline__ float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
    return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}

__device__ __forceinline__ float quad_sum(float x) {
    x += __shfl_xor_sync(kAllLanes, x, 1);
    return x + __shfl_xor_sync(kAllLanes, x, 2);
}

/// x[n][0..1] belong to row g, x[n][2..3] to row g + 8.
template <int kTiles>
__device__ __forceinline__ void scale_rows(float (&x)[kTiles][4], const float (&factor)[2]) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) x[n][i] *= factor[i / 2];
}

/// A single instruction, since what would be smaller than a normal float becomes zero.
__device__ __forceinline__ float power_of_two(float x) {
#ifdef __CUDA_ARCH__
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return exp2f(x);
#endif
}

/// What turns products of queries and keys into exponents of two.
__device__ __forceinline__ float score_scale(int head_size) {
    return 1.44269504f / sqrtf(static_cast<float>(head_size));  // log2(e)
}

/// Scores of keys that are not alive or not there. A lane's keys are at bits 0 and 1 of each byte.
__device__ __forceinline__ void mask(float (&s)[kKeyPart / 8][4], unsigned alive) {
    if ((alive & 0x03030303u) == 0x03030303u) return;  // in most parts all are there
#pragma unroll
    for (int n = 0; n < kKeyPart / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) s[n][i] = alive >> (n * 8 + i % 2) & 1 ? s[n][i] : -INFINITY;
}

/// Scores come in as products; scaling them and subtracting the maximum is one instruction.
struct Softmax {
    const float scale;
    float max[2] = {
        -1e30f, -1e30f};  ///< scaled; finite: a masked score is -infinity, and must not become NaN
    float sum[2] = {0.f, 0.f};  ///< over this lane's elements

    /// Takes in a tile of scores. Sums so far, and whatever was summed with them, are to be
    /// multiplied by `factor`.
    template <int kTiles>
    __device__ __forceinline__ void add(float (&s)[kTiles][4], float (&factor)[2]) {
        float largest[2] = {-INFINITY, -INFINITY};
        take_larger(largest, s);
        raise(largest, factor);
        sum_exponentials(s);
    }

    /// The larger one of what there is and of this lane's scores, for each row.
    template <int kTiles>
    __device__ __forceinline__ static void take_larger(float (&largest)[2],
                                                       const float (&s)[kTiles][4]) {
#pragma unroll
        for (int n = 0; n < kTiles; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) largest[i / 2] = fmaxf(largest[i / 2], s[n][i]);
    }

    /// Raises the maximum to the largest scores of the quad's lanes; factor as above.
    __device__ __forceinline__ void raise(const float (&largest)[2], float (&factor)[2]) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const float raised = fmaxf(max[r], quad_max(largest[r]) * scale);
            factor[r] = power_of_two(max[r] - raised);
            max[r] = raised;
            sum[r] *= factor[r];
        }
    }

    template <int kTiles>
    __device__ __forceinline__ void sum_exponentials(float (&s)[kTiles][4]) {
        exponentiate(s);
#pragma unroll
        for (int n = 0; n < kTiles; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) sum[i / 2] += s[n][i];
    }

    template <int kTiles>
    __device__ __forceinline__ void exponentiate(float (&s)[kTiles][4]) const {
#pragma unroll
        for (int n = 0; n < kTiles; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) s[n][i] = power_of_two(fmaf(s[n][i], scale, -max[i / 2]));
    }

    /// What turns the exponentials of an alive row into probabilities; zero for a row that is not
    /// alive.
    __device__ __forceinline__ void normaliser(const bool (&alive)[2], float (&factor)[2]) const {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const float total = quad_sum(sum[r]);
            factor[r] = alive[r] ? 1.f / total : 0.f;
        }
    }
};

}  // namespace ltp::cuda
