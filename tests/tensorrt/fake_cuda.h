// Stands in for the CUDA kernels and runtime: records what the plugin asks for, on the host's
// memory.
#pragma once

#include "cuda/pruned_attention.h"

namespace test {

/// The last call of ltp::cuda::pruned_attention, and what it shall return.
struct Launch {
    int count = 0;
    ltp::cuda::Layer layer;
    ltp::cuda::Inputs in{};
    ltp::cuda::Outputs out{};
    void* workspace = nullptr;
    cudaError_t answer = cudaSuccess;
};

inline Launch launch;

/// Calls of ltp::cuda::load_kernels, and what they shall return.
struct Loading {
    int count = 0;
    cudaError_t answer = cudaSuccess;
};

inline Loading loading;

}  // namespace test
