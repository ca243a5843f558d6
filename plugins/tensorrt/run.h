// From TensorRT's arrays of pointers to the CUDA kernels.
#pragma once

#include "cuda/pruned_attention.h"

namespace ltp::tensorrt {

/// The plugin's tensors, in its order. Empty ones may be null.
struct Tensors {
    int rows, sequences;
    const void* const* in;
    void* const* out;
};

/// Enqueues the layer, or nothing but zeros where there are no rows or no sequences.
cudaError_t run(const cuda::Layer& layer, const Tensors& tensors, void* workspace,
                cudaStream_t stream);

}  // namespace ltp::tensorrt
