// The probability that each key of a tile receives from the query rows of a block.
#pragma once

#include "fixed_point.cuh"
#include "tile.cuh"

namespace ltp::cuda {

template <int kKeys, int kWarps>
class ColumnSums {
public:
    /// Adds up the 16 rows of p, which has the keys from `part` on. Each exchange halves the
    /// columns that a lane is in charge of, and the lanes that are in charge of the same ones,
    /// until it has one column alone.
    __device__ __forceinline__ void put(const float (&p)[kKeyPart / 8][4], int part) {
        constexpr int kColumns = kKeyPart / 4;
        float sum[kColumns];
#pragma unroll
        for (int i = 0; i < kColumns; ++i) sum[i] = p[i / 2][i % 2] + p[i / 2][i % 2 + 2];
        int column = 0;
#pragma unroll
        for (int half = kColumns / 2; half > 0; half /= 2) {
            const int distance = half * kWarpSize / kColumns;
            const bool upper = lane() & distance;
            column += upper ? half : 0;
#pragma unroll
            for (int i = 0; i < half; ++i) {
                const float given = upper ? sum[i] : sum[i + half];
                const float own = upper ? sum[i + half] : sum[i];
                sum[i] = own + __shfl_xor_sync(kAllLanes, given, distance);
            }
        }
        sum_[warp()][part + column / 2 * 8 + lane() % 4 * 2 + column % 2] = sum[0];
    }

    /// After a barrier: adds those of the first `keys` keys to the scores from `first` on.
    __device__ __forceinline__ void flush(unsigned long long* scores, int first, int keys) const {
        const int key = threadIdx.x;
        if (key >= kKeys || key >= keys) return;
        float sum = 0.f;
#pragma unroll
        for (int w = 0; w < kWarps; ++w) sum += sum_[w][key];
        add_score(scores + (first + key), sum);
    }

private:
    float sum_[kWarps][kKeys];
};

}  // namespace ltp::cuda
