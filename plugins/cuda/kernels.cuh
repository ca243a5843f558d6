// The entry points, by the names under which a driver finds them in ltp_cuda.fatbin.
#pragma once

#include "attend.cuh"
#include "compact.cuh"
#include "first_row.cuh"
#include "residual_norm.cuh"

// `blocks` are to fit on a multiprocessor at once; it is what bounds the registers.
#define LTP_KERNELS_OF_SIZE(size, blocks)                                           \
    extern "C" __global__ void __launch_bounds__(ltp::cuda::kAttendThreads, blocks) \
        ltp_attend_##size(ltp::cuda::Arguments a) {                                 \
        ltp::cuda::attend<size, false>(a);                                          \
    }                                                                               \
    extern "C" __global__ void __launch_bounds__(ltp::cuda::kAttendThreads, blocks) \
        ltp_attend_scores_##size(ltp::cuda::Arguments a) {                          \
        ltp::cuda::attend<size, true>(a);                                           \
    }                                                                               \
    extern "C" __global__ void __launch_bounds__(ltp::cuda::kFirstRowThreads)       \
        ltp_first_row_##size(ltp::cuda::Arguments a) {                              \
        ltp::cuda::first_row<size>(a);                                              \
    }

LTP_KERNELS_OF_SIZE(32, 4)
LTP_KERNELS_OF_SIZE(64, 3)
LTP_KERNELS_OF_SIZE(128, 2)
#undef LTP_KERNELS_OF_SIZE

extern "C" __global__ void __launch_bounds__(ltp::cuda::kCompactThreads)
    ltp_compact(ltp::cuda::Arguments a) {
    ltp::cuda::compact(a);
}

extern "C" __global__ void __launch_bounds__(ltp::cuda::kNormThreads)
    ltp_residual_norm(ltp::cuda::NormArguments a) {
    ltp::cuda::residual_norm(a);
}
