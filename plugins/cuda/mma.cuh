// The two instructions of Turing's tensor cores, and Ampere's larger one, with their fragments. In
// lane 4g + t of a warp:
//   A [16][8] half   a[0] = A[g][2t..2t+1], a[1] = A[g+8][2t..2t+1]
//   B [8][8] half    b = B[2t..2t+1][g]
//   C [16][8] float  c[0..1] = C[g][2t..2t+1], c[2..3] = C[g+8][2t..2t+1]
#pragma once

#include <cuda_fp16.h>

namespace ltp::cuda {

#ifdef __CUDACC__  // another compiler brings its own

/// C += A B. All of these are volatile, so as not to be moved to where only a part of the warp
/// comes by.
__device__ __forceinline__ void mma(float (&c)[4], const unsigned (&a)[2], unsigned b) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, "
        "%1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(b));
}

/// Loads four 8x8 matrices M; lane i brings the address of row i % 8 of matrix i / 8, and gets
/// M[g][2t..2t+1] of each.
__device__ __forceinline__ void load_matrices(unsigned (&m)[4], const __half* row) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(address)
                 : "memory");
}

/// The same of the transposed matrices: M[2t..2t+1][g].
__device__ __forceinline__ void load_matrices_transposed(unsigned (&m)[4], const __half* row) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(address)
                 : "memory");
}

#endif

/// C += A B where A has 16 columns, and B 16 rows, in halves as above. From Ampere on one
/// instruction does both, and two would take twice its time.
__device__ __forceinline__ void mma(float (&c)[4], const unsigned (&a0)[2], const unsigned (&a1)[2],
                                    unsigned b0, unsigned b1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0[0]), "r"(a0[1]), "r"(a1[0]), "r"(a1[1]), "r"(b0), "r"(b1));
#else
    mma(c, a0, b0);
    mma(c, a1, b1);
#endif
}

__device__ __forceinline__ unsigned pack(float low, float high) {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const unsigned*>(&pair);
}

}  // namespace ltp::cuda
