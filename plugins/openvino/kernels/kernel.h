// What a kernel does: attention of one head over one sequence, on one thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ltp {

enum class Element { F32 = 0, BF16 = 1 };

struct HeadTask {
    /// First column of this head in row 0 of the sequence; the element type is the kernel function's.
    const void* query;
    const void* key;
    const void* value;
    size_t stride;  ///< elements from one row to the next

    const int32_t* rows;  ///< [count] the alive rows, ascending, counted from row 0 of the sequence
    int count;            ///< at least 1
    int head_size;        ///< a multiple of 8

    /// Alive row i < context_rows is written to row rows[i] of `context`, whose rows are context_stride elements apart.
    void* context;
    size_t context_stride;
    int context_rows;

    float* column_sums;  ///< [count] out: probability each alive row receives; nullptr = not wanted
};

/// One instruction set's implementation. Function tables are indexed by Element.
struct Kernel {
    const char* name;
    /// Scratch a call needs, in bytes; linear in `count`. The scratch passed must be 64-byte aligned.
    size_t (*scratch_bytes)(int count, int head_size);
    /// Every alive row attends to every alive row.
    void (*attend[2])(const HeadTask&, void* scratch);
    /// Only the first alive row attends; column_sums is ignored.
    void (*attend_first[2])(const HeadTask&, void* scratch);
};

extern const Kernel kernel_portable, kernel_avx2, kernel_avx512, kernel_avx512_bf16, kernel_amx_bf16;

}  // namespace ltp
