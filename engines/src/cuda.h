#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ltp/engine.h"
#include "text.h"

namespace ltp {

/// Throws Error if a CUDA function failed.
inline void check_cuda(cudaError_t status, const char* what) {
    if (status != cudaSuccess) throw Error(text(what, ": ", cudaGetErrorString(status)));
}

constexpr int gpu = 0;  ///< CUDA's first, which CUDA_VISIBLE_DEVICES can change

/// Throws Error where there is no GPU that works, or one of another compute capability than "7.5".
void check_gpu(const std::string& compute_capability);

/// Makes our GPU the current one of this thread, until the end of the scope.
class GpuScope {
public:
    GpuScope() {
        check_cuda(cudaGetDevice(&before_), "the GPU cannot be used");
        check_cuda(cudaSetDevice(gpu), "the GPU cannot be used");
    }
    ~GpuScope() { cudaSetDevice(before_); }
    GpuScope(const GpuScope&) = delete;
    GpuScope& operator=(const GpuScope&) = delete;

private:
    int before_ = 0;
};

struct FreeOnGpu {
    void operator()(void* memory) const { cudaFree(memory); }
};
struct FreePinned {
    void operator()(void* memory) const { cudaFreeHost(memory); }
};
struct DestroyStream {
    void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
struct DestroyGraph {
    void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};

using GpuMemory = std::unique_ptr<void, FreeOnGpu>;
/// Host memory that the GPU reads and writes itself.
template <typename T>
using PinnedMemory = std::unique_ptr<T[], FreePinned>;
using Stream = std::unique_ptr<CUstream_st, DestroyStream>;
using Graph = std::unique_ptr<CUgraphExec_st, DestroyGraph>;

inline GpuMemory gpu_memory(std::size_t bytes) {
    void* memory = nullptr;
    check_cuda(cudaMalloc(&memory, bytes), "the GPU's memory is exhausted");
    return GpuMemory(memory);
}

template <typename T>
PinnedMemory<T> pinned_memory(std::size_t count) {
    void* memory = nullptr;
    check_cuda(cudaMallocHost(&memory, count * sizeof(T)), "pinned host memory is exhausted");
    return PinnedMemory<T>(static_cast<T*>(memory));
}

inline Stream new_stream() {
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "no CUDA stream");
    return Stream(stream);
}

/// What `queue` queues on the stream, without being run. Throws Error, also where it cannot be
/// captured.
Graph capture(cudaStream_t stream, const std::function<void()>& queue);

}  // namespace ltp
