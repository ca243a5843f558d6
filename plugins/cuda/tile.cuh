// Tiles of keys or values: from global memory by way of registers into shared memory, and from
// there into products.
#pragma once

#include "mma.cuh"
#include "sequences.cuh"

namespace ltp::cuda {

/// The padding puts 8 successive rows into different banks.
template <int kRows, int kSize>
struct SharedTile {
    alignas(16) __half row[kRows][kSize + 8];
};

/// A thread's share of a tile, fetched while the tile before is still being worked on.
template <int kRows, int kSize, int kThreads>
class StagedTile {
public:
    /// Rows from `rows` and columns from `width` on are zero.
    __device__ __forceinline__ void load(const __half* first, int stride, int rows, int width) {
        const __half* from = first + row() * stride + column();
        if (column() >= width) rows = 0;
#pragma unroll
        for (int i = 0; i < kChunks; ++i)
            chunk_[i] = row() + i * kStep < rows
                            ? *reinterpret_cast<const uint4*>(from + i * kStep * stride)
                            : uint4{};
    }

    /// Rows that are not alive become zero: whatever they hold, even a NaN, must not count.
    __device__ __forceinline__ void store(SharedTile<kRows, kSize>& tile,
                                          unsigned long long alive) const {
        alive >>= row();
#pragma unroll
        for (int i = 0; i < kChunks; ++i)
            *reinterpret_cast<uint4*>(&tile.row[row() + i * kStep][column()]) =
                alive >> (i * kStep) & 1 ? chunk_[i] : uint4{};
    }

private:
    static constexpr int kRowChunks = kSize / 8, kChunks = kRows * kRowChunks / kThreads;
    static constexpr int kStep =
        kThreads / kRowChunks;  // rows from one chunk of a thread to its next

    __device__ static int row() { return threadIdx.x / kRowChunks; }
    __device__ static int column() { return threadIdx.x % kRowChunks * 8; }

    uint4 chunk_[kChunks];
};

/// Keys that are worked on at a time; more would need too many registers.
constexpr int kKeyPart = 32;

/// s[16][kKeyPart] = Q K^T of the keys from `part` on
template <int kRows, int kSize>
__device__ __forceinline__ void multiply_keys(float (&s)[kKeyPart / 8][4],
                                              const unsigned (&query)[kSize / 8][2],
                                              const SharedTile<kRows, kSize>& keys, int part) {
#pragma unroll
    for (int n = 0; n < kKeyPart / 8; ++n) {
        s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0.f;
#pragma unroll
        for (int k = 0; k < kSize / 8; k += 4) {
            unsigned b[4];
            load_matrices(b, &keys.row[part + n * 8 + lane() % 8][(k + lane() / 8) * 8]);
#pragma unroll
            for (int i = 0; i < 4; i += 2)
                mma(s[n], query[k + i], query[k + i + 1], b[i], b[i + 1]);
        }
    }
}

/// context[16][kSize] += P V of the values from `part` on. The fragments of a product, two floats
/// to a register, are those of a left factor.
template <int kRows, int kSize>
__device__ __forceinline__ void multiply_values(float (&context)[kSize / 8][4],
                                                const float (&p)[kKeyPart / 8][4],
                                                const SharedTile<kRows, kSize>& values, int part) {
#pragma unroll
    for (int k = 0; k < kKeyPart / 8; k += 2) {
        const unsigned a0[2] = {pack(p[k][0], p[k][1]), pack(p[k][2], p[k][3])};
        const unsigned a1[2] = {pack(p[k + 1][0], p[k + 1][1]), pack(p[k + 1][2], p[k + 1][3])};
#pragma unroll
        for (int n = 0; n < kSize / 8; n += 2) {
            unsigned b[4];  // of keys k and k + 1, for columns n, then for n + 1
            load_matrices_transposed(
                b, &values.row[part + k * 8 + lane() % 16][(n + lane() / 16) * 8]);
#pragma unroll
            for (int i = 0; i < 2; ++i) mma(context[n + i], a0, a1, b[2 * i], b[2 * i + 1]);
        }
    }
}

}  // namespace ltp::cuda
