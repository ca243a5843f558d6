// Where a thread stands in its block, and a block in the packed sequences. Offsets and flags come
// from device memory that may hold anything (TensorRT times plugins on garbage), so rows are
// clamped to the buffers here, once.
#pragma once

#include "arguments.h"

#ifndef LTP_SHARED
#define LTP_SHARED(Type, name) __shared__ Type name  // a kernel has one of them
#endif

namespace ltp::cuda {

constexpr int kWarpSize = 32;
constexpr int kAttendRows = 64, kAttendThreads = 128;  // of a block of attention
constexpr unsigned kAllLanes = ~0u;

__device__ inline int lane() { return threadIdx.x % kWarpSize; }
__device__ inline int warp() { return threadIdx.x / kWarpSize; }

/// Whether rows move: survivors are gathered at the front.
LTP_HOST_DEVICE constexpr bool compacts(Carry carry) {
    return carry == Carry::Survivors || carry == Carry::Bounded;
}

__device__ inline int hidden(const Arguments& a) { return a.heads * a.head_size; }

/// Where a row of a matrix begins.
__device__ inline std::size_t row_offset(int row, int width) {
    return static_cast<std::size_t>(static_cast<unsigned>(row)) * static_cast<unsigned>(width);
}

/// Rows [begin, end).
struct Sequence {
    int index, begin, end;

    __device__ int size() const { return end - begin; }
};

__device__ inline int offset(const Arguments& a, int b) {
    return min(max(a.offsets[b], 0), a.rows);
}

/// The rows after the last sequence, which are padding, are sequence B.
__device__ inline Sequence sequence(const Arguments& a, int b) {
    const int begin = offset(a, b);
    return {b, begin, b < a.sequences ? max(offset(a, b + 1), begin) : a.rows};
}

/// Nothing in it can reach the classifier any more.
__device__ inline bool finished(const Arguments& a, const Sequence& s) {
    return s.index == a.sequences || a.alive[s.begin] == 0;
}

/// Rows [first, last) of a sequence, none where first >= last.
struct Tile {
    Sequence sequence;
    int first, last;

    __device__ bool begins_sequence() const { return first == sequence.begin; }
    __device__ bool empty() const { return first >= last; }
};

/// Blocks that suffice for all tiles of `tile_rows` rows, however the rows are shared out among the
/// sequences.
constexpr unsigned tile_slots(int rows, int sequences, int tile_rows) {
    return rows / tile_rows + sequences + 1;
}

/// Sequence b owns the slots from offset(b) / kRows + b on, which are at least one and as many as
/// it has tiles. A warp searches for b in steps of 32.
template <int kRows>
__device__ inline Tile find_tile(const Arguments& a, int slot) {
    int b = 0, candidates = a.sequences + 1;
    while (candidates > 1) {
        const int step = (candidates + kWarpSize - 1) / kWarpSize, mine = lane() * step;
        const bool starts = mine < candidates && offset(a, b + mine) / kRows + b + mine <= slot;
        const int passed = (max(__popc(__ballot_sync(kAllLanes, starts)), 1) - 1) * step;
        b += passed;
        candidates = min(step, candidates - passed);
    }
    const Sequence s = sequence(a, b);
    const int tile = slot - (s.begin / kRows + b);
    if (tile < 0) return {s, s.end, s.end};  // only where offsets[0] is not 0
    const int first = s.begin + tile * kRows;
    return {s, first, min(first + kRows, s.end)};
}

}  // namespace ltp::cuda
