// What a block of `attend` reads.
#pragma once

#include "column_sums.cuh"
#include "decide.cuh"
#include "tile.cuh"

namespace ltp::cuda {

template <int kSize>
constexpr int kAttendKeys = kSize > 64 ? 32 : 64;  // of a tile: what registers hold
constexpr int kOnceKeys = 128;                     // up to which `attend_once` takes a sequence
constexpr int kKeyMatrix = 1, kValueMatrix = 2;    // of Q, K and V

template <int kSize>
struct AttendShared {
    SharedTile<kAttendKeys<kSize>, kSize> keys, values;
    ColumnSums<kOnceKeys, kAttendThreads / kWarpSize> sums;
    DecideShared decide;
};

/// What a block has of Q, K and V, and the keys it is about to need.
template <int kSize>
class AttendInput {
public:
    static constexpr int kKeys = kAttendKeys<kSize>;

    __device__ __forceinline__ AttendInput(const Arguments& a, const Sequence& s, int head)
        : alive_(a.alive),
          begin_(s.begin),
          stride_(3 * ltp::cuda::hidden(a)),
          rows_(s.size()),
          width_(a.head_size),
          query_(a.qkv + row_offset(s.begin, stride_) + head * a.head_size) {}

    /// The fragments of a row of queries, see mma.cuh; zero if it is not alive.
    __device__ __forceinline__ bool load_query(unsigned (&query)[kSize / 8][2], int row,
                                               int r) const {
        const bool alive = row < rows_ && alive_[begin_ + row] != 0;
#pragma unroll
        for (int k = 0; k < kSize / 8; ++k) {
            const __half* at = query_ + row_offset(row, stride_) + k * 8 + lane() % 4 * 2;
            query[k][r] = alive && k * 8 < width_ ? *reinterpret_cast<const unsigned*>(at) : 0u;
        }
        return alive;
    }

    __device__ __forceinline__ void fetch_keys(int first) {
        fetch(staged_[0], kKeyMatrix, first);
#pragma unroll
        for (int i = 0; i < kKeys / kWarpSize; ++i)
            key_alive_[i] = alive_flag(first + i * kWarpSize + lane());
    }

    __device__ __forceinline__ void fetch_values(int first) {
        fetch(staged_[1], kValueMatrix, first);
    }

    /// Two successive tiles of a matrix, or the first of keys and the first of values.
    __device__ __forceinline__ void fetch_pair(int matrix, int first) {
        fetch(staged_[0], matrix, first);
        fetch(staged_[1], matrix, first + kKeys);
    }
    __device__ __forceinline__ void fetch_first_pair(bool one_tile) {
        fetch(staged_[0], kKeyMatrix, 0);
        fetch(staged_[1], one_tile ? kValueMatrix : kKeyMatrix, one_tile ? 0 : kKeys);
    }

    /// To be compared later, so that nothing waits for it meanwhile.
    __device__ __forceinline__ std::int32_t alive_flag(int row) const {
        return row < rows_ ? alive_[begin_ + row] : 0;
    }

    /// Puts what was fetched into shared memory. Returns a bit for each key that is alive.
    __device__ __forceinline__ unsigned long long store(AttendShared<kSize>& shared,
                                                        bool values) const {
        unsigned long long alive = 0;
#pragma unroll
        for (int i = 0; i < kKeys / kWarpSize; ++i)
            alive |= static_cast<unsigned long long>(__ballot_sync(kAllLanes, key_alive_[i] != 0))
                     << (i * kWarpSize);
        staged_[0].store(shared.keys, alive);
        if (values) staged_[1].store(shared.values, alive);
        return alive;
    }

    /// Puts a pair into shared memory, in the places of keys and values. `alive` has a bit for each
    /// of all keys.
    __device__ __forceinline__ void store_pair(AttendShared<kSize>& shared,
                                               const unsigned (&alive)[kOnceKeys / kWarpSize],
                                               int first, bool one_tile) const {
        constexpr int kWords = kKeys / kWarpSize;
        unsigned long long bits[2] = {};
#pragma unroll
        for (int i = 0; i < 2 * kWords; ++i)
            bits[i / kWords] |= static_cast<unsigned long long>(alive[first / kWarpSize + i])
                                << (i % kWords * kWarpSize);
        staged_[0].store(shared.keys, bits[0]);
        staged_[1].store(shared.values, one_tile ? bits[0] : bits[1]);
    }

private:
    using Staged = StagedTile<kKeys, kSize, kAttendThreads>;

    __device__ __forceinline__ void fetch(Staged& tile, int matrix, int first) const {
        tile.load(query_ + row_offset(first, stride_) + matrix * (stride_ / 3), stride_,
                  rows_ - first, width_);
    }

    const std::int32_t* const alive_;
    const int begin_, stride_, rows_, width_;
    const __half* const query_;
    Staged staged_[2];
    std::int32_t key_alive_[kKeys / kWarpSize];
};

}  // namespace ltp::cuda
