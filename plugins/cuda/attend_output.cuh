// What a block of `attend` writes besides scores and decisions.
#pragma once

#include "attend_input.cuh"

namespace ltp::cuda {

/// What rows move to if they do not depend on a decision: there is a block for every sequence.
/// Carry::All: the rows go on as they are, with those not alive; `decide` marks the newly pruned.
__device__ inline void carry_in_place(const Arguments& a, const Tile& tile) {
    const int b = blockIdx.x;
    if (b <= a.sequences && threadIdx.x == 0) {
        const bool first_only = a.carry == Carry::First;
        a.offsets_out[b] = first_only ? b : offset(a, b);
        if (first_only && b < a.sequences) {
            const Sequence s = sequence(a, b);
            a.kept[b] = s.size() > 0 ? s.begin : 0;
        }
    }
    const int row = tile.first + threadIdx.x;
    if (a.carry == Carry::First || row >= tile.last) return;
    a.kept[row] = row;
    a.alive_out[row] = !finished(a, tile.sequence) && a.alive[row] != 0;
}

/// A finished sequence has zero context, wanted of all its rows or of the first only. One without
/// rows has one in the output, if only first rows are.
__device__ inline void clear_context(const Arguments& a, const Tile& tile, int head) {
    const bool first_only = a.carry != Carry::All;
    if (first_only && (!tile.begins_sequence() || tile.sequence.index == a.sequences)) return;
    const int row = a.carry == Carry::First ? tile.sequence.index : tile.first;
    const int rows = first_only ? 1 : tile.last - tile.first, chunks = a.head_size / 8;
    __half* out = a.attended + static_cast<std::size_t>(row) * hidden(a) + head * a.head_size;
    for (int i = threadIdx.x; i < rows * chunks; i += kAttendThreads)
        *reinterpret_cast<uint4*>(out + static_cast<std::size_t>(i / chunks) * hidden(a) +
                                  i % chunks * 8) = uint4{};
}

/// Of the rows `row` and row + 8 of the sequence, those it has and whose context is wanted.
template <int kSize>
__device__ __forceinline__ void store_context(const Arguments& a, const Sequence& s, int head,
                                              int row, const float (&context)[kSize / 8][4]) {
    const bool first_only = a.carry == Carry::First;
    __half* out = a.attended +
                  static_cast<std::size_t>(first_only ? s.index : s.begin) * hidden(a) +
                  head * a.head_size + lane() % 4 * 2;
#pragma unroll
    for (int r = 0; r < 2; ++r, row += 8)
        if (row < (first_only ? 1 : s.size()))
#pragma unroll
            for (int n = 0; n < kSize / 8; ++n)
                if (n * 8 < a.head_size)
                    *reinterpret_cast<unsigned*>(out + static_cast<std::size_t>(row) * hidden(a) +
                                                 n * 8) =
                        pack(context[n][2 * r], context[n][2 * r + 1]);
}

}  // namespace ltp::cuda
