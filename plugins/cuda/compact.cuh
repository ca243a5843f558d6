// Moves the carried rows to the front, a warp to a row, and says which they are. A kernel of its
// own: where a sequence begins depends on all before it, and the block that decides about a
// sequence would move it with the bandwidth of one multiprocessor, in no less time than a launch
// takes.
#pragma once

#include "sequences.cuh"

namespace ltp::cuda {

constexpr int kCompactRows = 8, kCompactThreads = kCompactRows * kWarpSize;

struct CompactShared {
    int before[kCompactRows], total[kCompactRows];
};

/// How many rows a sequence hands on. With garbage offsets nobody may have decided about it.
__device__ inline int survivor_count(const Arguments& a, const Sequence& s) {
    return s.index < a.sequences ? min(max(a.survivor_counts[s.index], 0), s.size()) : 0;
}

/// Sums of survivor counts, over the sequences before b and over all. Never more than there are
/// rows, even where garbage offsets have sequences overlap.
struct Carried {
    int before = 0, total = 0;

    __device__ Carried(const Arguments& a, int b, CompactShared& shared) {
        for (int i = threadIdx.x; i < a.sequences; i += kCompactThreads) {
            const int count = min(max(a.survivor_counts[i], 0), a.rows);
            total = min(total + count, a.rows);
            if (i < b) before = min(before + count, a.rows);
        }
        for (int distance = 16; distance > 0; distance /= 2) {
            before = min(before + __shfl_xor_sync(kAllLanes, before, distance), a.rows);
            total = min(total + __shfl_xor_sync(kAllLanes, total, distance), a.rows);
        }
        if (lane() == 0) {
            shared.before[warp()] = before;
            shared.total[warp()] = total;
        }
        __syncthreads();
        before = total = 0;
        for (int w = 0; w < kCompactRows; ++w) {
            before = min(before + shared.before[w], a.rows);
            total = min(total + shared.total[w], a.rows);
        }
    }
};

/// A row of the output; padding if source is null.
__device__ inline void put_row(const Arguments& a, int to, const __half* source, int kept,
                               bool alive) {
    uint4* out = reinterpret_cast<uint4*>(a.context + static_cast<std::size_t>(to) * hidden(a));
    const uint4* in = reinterpret_cast<const uint4*>(source);
#pragma unroll 4
    for (int i = lane(); i < hidden(a) / 8; i += kWarpSize) out[i] = in ? in[i] : uint4{};
    if (lane() > 0) return;
    a.kept[to] = kept;
    a.alive_out[to] = alive;
}

__device__ inline void compact(const Arguments& a) {
    LTP_SHARED(CompactShared, shared);
    const Tile tile = find_tile<kCompactRows>(a, blockIdx.x);
    const Sequence& s = tile.sequence;
    const int count = survivor_count(a, s), i = tile.first - s.begin + warp();
    const bool counts = a.count && blockIdx.x == 0;
    if (a.carry == Carry::Survivors && tile.first - s.begin >= count && !tile.begins_sequence() &&
        !counts)
        return;

    const Carried carried(a, s.index, shared);
    if (tile.begins_sequence() && threadIdx.x == 0) a.offsets_out[s.index] = carried.before;
    if (counts && threadIdx.x == 0) *static_cast<volatile std::int32_t*>(a.count) = carried.total;
    if (const int to = carried.before + i; i < count && to < a.rows) {
        const int survivor = a.survivors[s.begin + i],
                  row = min(survivor < 0 ? ~survivor : survivor, a.rows - 1);
        put_row(a, to, a.attended + static_cast<std::size_t>(row) * hidden(a), row, survivor >= 0);
    }
    if (a.carry == Carry::Survivors) return;
    const int row = blockIdx.x * kCompactRows + warp();
    if (row >= carried.total && row < a.rows) put_row(a, row, nullptr, 0, false);  // padding
}

}  // namespace ltp::cuda
