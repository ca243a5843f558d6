// Pruned attention over packed sequences: the whole op on plain pointers, free of OpenVINO.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../common/pruning_rule.h"
#include "kernels/kernel.h"
#include "parallel.h"

namespace ltp {

/// T rows (tokens) of B sequences, one after another without padding. The caller has checked the
/// shapes; offsets start at 0, never decrease and end at T.
struct PackedInput {
    const void* qkv;         ///< [T, 3 * hidden], columns Q | K | V, heads side by side within each
    Element element;         ///< element type of qkv and of the context
    int rows;                ///< T
    int sequences;           ///< B
    int hidden;              ///< d, a multiple of heads
    int heads;               ///< H
    const int32_t* offsets;  ///< [B + 1]
    const int32_t* alive;    ///< [T] 0 = pruned by an earlier layer: neither a query nor a key
    const int32_t* lengths;  ///< [B] original token counts
};

/// T' <= row_capacity rows come out.
struct PackedOutput {
    void* context;     ///< [row_capacity, hidden]; the first T' rows are the result
    int32_t* kept;     ///< [row_capacity] which input rows these are, ascending
    int32_t* offsets;  ///< [B + 1]
    int32_t* alive;    ///< [row_capacity]
};

int row_capacity(const PackedInput& input, Carry carry);

/// Returns T'.
int packed_attention(const PackedInput& input, const PruningRule& rule, Carry carry,
                     const Kernel& kernel, ParallelFor parallel_for, const PackedOutput& output);

}  // namespace ltp
