// What kernels get, by value and as their only parameter: first all those of a layer's attention.
#pragma once

#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>

#include "common/pruning_rule.h"

namespace ltp::cuda {

/// T rows, B sequences, d = heads * head_size. Launchers in other languages rely on this layout.
struct Arguments {
    const __half* qkv;            ///< [T, 3d]
    const std::int32_t* offsets;  ///< [B+1]
    const std::int32_t* alive;    ///< [T]
    const std::int32_t* lengths;  ///< [B]

    __half* context;            ///< [T', d]
    std::int32_t* kept;         ///< [T']
    std::int32_t* offsets_out;  ///< [B+1]
    std::int32_t* alive_out;    ///< [T']
    std::int32_t* count;        ///< [] or null

    // Scratch; what a layer does not need is null.
    unsigned long long* scores;  ///< [T] zeroed: what each row receives, see fixed_point.cuh
    unsigned* blocks_done;       ///< [B] zeroed: how many blocks of `attend` it has had so far
    __half* attended;            ///< [T, d] from `attend`; it is `context` unless rows move later
    std::int32_t* survivors;     ///< [T] sequence b's from offsets[b] on; ~row if it is pruned
    std::int32_t* survivor_counts;  ///< [B]

    std::int32_t rows;       ///< T
    std::int32_t sequences;  ///< B
    std::int32_t heads;
    std::int32_t head_size;
    PruningRule rule;
    Carry carry;
};

static_assert(offsetof(Arguments, scores) == 72 && offsetof(Arguments, rows) == 112 &&
                  offsetof(Arguments, rule) == 128 && offsetof(Arguments, carry) == 144 &&
                  sizeof(Arguments) == 152,
              "the layout is an interface");

/// What `ltp_residual_norm` gets: out = LayerNorm(x + residual[kept]). Launchers in other languages
/// rely on this layout.
struct NormArguments {
    const __half* x;           ///< [rows, columns]
    const __half* residual;    ///< [any, columns], aligned to 16 bytes like all of these
    const std::int32_t* kept;  ///< [rows] each row's residual, or null: the row of its own number
    const __half* weight;      ///< [columns]
    const __half* bias;        ///< [columns]
    __half* out;               ///< [rows, columns]

    std::int32_t rows;
    std::int32_t columns;  ///< a multiple of 8, at most 1024
    float epsilon;
};

static_assert(offsetof(NormArguments, rows) == 48 && offsetof(NormArguments, epsilon) == 56 &&
                  sizeof(NormArguments) == 64,
              "the layout is an interface");

}  // namespace ltp::cuda
