// LayerNorm of the sum of a row and its residual, a warp to a row; the residual's rows may still
// have to be gathered. For runtimes that fuse none of this by themselves.
#pragma once

#include "first_row.cuh"

namespace ltp::cuda {

constexpr int kNormRows = 4, kNormThreads = kNormRows * kWarpSize;
constexpr int kNormColumns = 1024;  // what a warp's registers hold of a row

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2)
        x += __shfl_xor_sync(kAllLanes, x, distance);
    return x;
}

__device__ __forceinline__ void store8(__half* to, const float (&x)[8]) {
    uint4 chunk;
    __half2* pair = reinterpret_cast<__half2*>(&chunk);
#pragma unroll
    for (int i = 0; i < 4; ++i) pair[i] = __floats2half2_rn(x[2 * i], x[2 * i + 1]);
    *reinterpret_cast<uint4*>(to) = chunk;
}

__device__ inline void residual_norm(const NormArguments& a) {
    constexpr int kChunks = kNormColumns / 8 / kWarpSize;
    const int row = blockIdx.x * kNormRows + warp();
    if (row >= a.rows) return;
    const int source = a.kept ? a.kept[row] : row;
    const __half* x = a.x + row_offset(row, a.columns);
    const __half* residual = a.residual + row_offset(source, a.columns);

    float value[kChunks][8] = {}, sum = 0.f;
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
        const int column = (c * kWarpSize + lane()) * 8;
        if (column >= a.columns) continue;
        float other[8];
        load8(value[c], x + column);
        load8(other, residual + column);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            value[c][i] += other[i];
            sum += value[c][i];
        }
    }
    const float mean = warp_sum(sum) / static_cast<float>(a.columns);
    float squares = 0.f;
#pragma unroll
    for (int c = 0; c < kChunks; ++c)
        if ((c * kWarpSize + lane()) * 8 < a.columns)
#pragma unroll
            for (int i = 0; i < 8; ++i) squares += (value[c][i] - mean) * (value[c][i] - mean);
    const float scale = 1.f / sqrtf(warp_sum(squares) / static_cast<float>(a.columns) + a.epsilon);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
        const int column = (c * kWarpSize + lane()) * 8;
        if (column >= a.columns) continue;
        float weight[8], bias[8];
        load8(weight, a.weight + column);
        load8(bias, a.bias + column);
#pragma unroll
        for (int i = 0; i < 8; ++i)
            value[c][i] = (value[c][i] - mean) * scale * weight[i] + bias[i];
        store8(a.out + row_offset(row, a.columns) + column, value[c]);
    }
}

}  // namespace ltp::cuda
