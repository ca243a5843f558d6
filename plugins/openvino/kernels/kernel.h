// What a kernel does, on one thread: attention of one head over one sequence, and a part of a
// linear layer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ltp {

enum class Element { F32 = 0, BF16 = 1 };
enum class Weight { F32 = 0, BF16 = 1, INT8 = 2 };

struct HeadTask {
    /// First column of this head in row 0 of the sequence; the element type is the kernel
    /// function's.
    const void* query;
    const void* key;
    const void* value;
    size_t stride;  ///< elements from one row to the next

    const int32_t* rows;  ///< [count] the alive rows, ascending, counted from row 0 of the sequence
    int count;            ///< at least 1
    int head_size;        ///< a multiple of 8

    /// Alive row i < context_rows is written to row rows[i] of `context`, whose rows are
    /// context_stride elements apart.
    void* context;
    size_t context_stride;
    int context_rows;

    float* column_sums;  ///< [count] out: probability each alive row receives; nullptr = not wanted
};

enum class Activation { None, Gelu, GeluTanh, Relu };

/// What bytes mean: scale * (q - zero_point).
struct InputScale {
    float scale = 0;
    int zero_point = 0;
};

/// How rows become bytes: q = x * factors + zero_point, rounded, 0 to 255. Without factors each row
/// takes a factor, scale and zero point of its own, by its smallest and largest values.
struct RowsToBytes {
    const float* factors = nullptr;  ///< [depth], and up to the next multiple of 32 any numbers
    InputScale scale = {};
};

/// y = activation(x W^T + bias) for `rows` rows and `columns` columns. The element type of x and y
/// is the kernel's.
struct LinearTask {
    const void* x;  ///< [rows][depth]
    int rows;
    int depth;
    RowsToBytes input;   ///< for int8 weights
    const void* panels;  ///< W and bias from the first column on, see panels.h
    int columns;
    Activation activation;
    void* y;
    size_t y_stride;
};

/// y = LayerNorm(residual + y) over the columns, for `rows` rows. The element type of y and
/// residual is the kernel's.
struct NormTask {
    void* y;                       ///< [rows][columns]
    const void* residual;          ///< [..][columns]
    const int32_t* residual_rows;  ///< [rows] of the residual; nullptr = the same as of y
    int rows;
    int columns;
    const float* gamma;  ///< [columns]
    const float* beta;   ///< [columns]
    float epsilon;       ///< added to the variance
};

/// The linear layer for one type of weights and one element type.
struct LinearKernel {
    size_t element_size;  ///< bytes, of x and y
    size_t input_size;    ///< bytes, of x as it is multiplied
    int row_cost;         ///< what making a row ready costs, in columns read from memory
    int tile_rows;        ///< rows are best shared out among threads in multiples of this
    int block_tiles;      ///< so many are best multiplied with all columns before the next rows
    /// Scratch that run needs, in bytes. The scratch passed must be 64-byte aligned.
    size_t (*scratch_bytes)(int rows, int depth);
    void (*run)(const LinearTask&, void* scratch);
    void (*normalize)(const NormTask&);
};

/// One instruction set's implementation. Tables are indexed by Element.
struct Kernel {
    const char* name;
    /// Scratch a call needs, in bytes; linear in `count`. The scratch passed must be 64-byte
    /// aligned.
    size_t (*scratch_bytes)(int count, int head_size);
    /// Every alive row attends to every alive row.
    void (*attend[2])(const HeadTask&, void* scratch);
    /// Only the first alive row attends; column_sums is ignored.
    void (*attend_first[2])(const HeadTask&, void* scratch);
    /// By Weight and Element; there is none for f32 weights and bfloat16 rows.
    LinearKernel linear[3][2];
};

extern const Kernel kernel_portable, kernel_avx2, kernel_avx512, kernel_avx512_vnni,
    kernel_avx512_bf16_fma, kernel_avx512_bf16, kernel_amx_bf16, kernel_neon, kernel_neon_dotprod,
    kernel_neon_i8mm;

}  // namespace ltp
