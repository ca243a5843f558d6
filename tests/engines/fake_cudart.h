// Stands in for the CUDA runtime: device memory is host memory, streams do everything at once,
// or, while they are captured, whenever the graph is launched.
#pragma once

#include <cuda_runtime_api.h>

namespace test {

/// The machine's GPUs.
struct FakeGpus {
    cudaError_t status = cudaSuccess;
    int count = 1, major = 7, minor = 5;
};

extern FakeGpus fake_gpus;

/// Graphs that were launched, and whether one can be made.
extern int graph_launches;
extern cudaError_t graph_status;

}  // namespace test
