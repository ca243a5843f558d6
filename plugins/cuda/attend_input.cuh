// What a block of `attend` reads.
#pragma once

#include "column_sums.cuh"
#include "decide.cuh"
#include "tile.cuh"

namespace ltp::cuda {

template <int kSize>
constexpr int kAttendKeys = kSize > 64 ? 32 : 64;  // what registers hold

template <int kSize>
struct AttendShared {
    SharedTile<kAttendKeys<kSize>, kSize> keys, values;
    ColumnSums<kAttendKeys<kSize>, kAttendThreads / kWarpSize> sums;
    DecideShared decide;
};

/// What a block has of Q, K and V, and the keys it is about to need.
template <int kSize>
class AttendInput {
public:
    static constexpr int kKeys = kAttendKeys<kSize>;

    __device__ __forceinline__ AttendInput(const Arguments& a, const Sequence& s, int head)
        : alive_(a.alive + s.begin),
          stride_(3 * ltp::cuda::hidden(a)),
          rows_(s.size()),
          width_(a.head_size),
          query_(a.qkv + row_offset(s.begin, stride_) + head * a.head_size) {}

    /// The fragments of a row of queries, see mma.cuh; zero if it is not alive.
    __device__ __forceinline__ bool load_query(unsigned (&query)[kSize / 8][2], int row,
                                               int r) const {
        const bool alive = row < rows_ && alive_[row] != 0;
#pragma unroll
        for (int k = 0; k < kSize / 8; ++k) {
            const __half* at = query_ + row_offset(row, stride_) + k * 8 + lane() % 4 * 2;
            query[k][r] = alive && k * 8 < width_ ? *reinterpret_cast<const unsigned*>(at) : 0u;
        }
        return alive;
    }

    __device__ __forceinline__ void fetch_keys(int first) {
        keys_.load(query_ + row_offset(first, stride_) + hidden(), stride_, rows_ - first, width_);
#pragma unroll
        for (int i = 0; i < kKeys / kWarpSize; ++i) {
            const int row = first + i * kWarpSize + lane();
            key_alive_[i] = row < rows_ ? alive_[row] : 0;  // compared later: nothing waits for it
        }
    }

    __device__ __forceinline__ void fetch_values(int first) {
        values_.load(query_ + row_offset(first, stride_) + 2 * hidden(), stride_, rows_ - first,
                     width_);
    }

    /// Puts what was fetched into shared memory. Returns a bit for each key that is alive.
    __device__ __forceinline__ unsigned long long store(AttendShared<kSize>& shared,
                                                        bool values) const {
        unsigned long long alive = 0;
#pragma unroll
        for (int i = 0; i < kKeys / kWarpSize; ++i)
            alive |= static_cast<unsigned long long>(__ballot_sync(kAllLanes, key_alive_[i] != 0))
                     << (i * kWarpSize);
        keys_.store(shared.keys, alive);
        if (values) values_.store(shared.values, alive);
        return alive;
    }

private:
    __device__ int hidden() const { return stride_ / 3; }

    const std::int32_t* const alive_;
    const int stride_, rows_, width_;
    const __half* const query_;
    StagedTile<kKeys, kSize, kAttendThreads> keys_, values_;
    std::int32_t key_alive_[kKeys / kWarpSize];
};

}  // namespace ltp::cuda
