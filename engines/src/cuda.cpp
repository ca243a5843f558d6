#include "cuda.h"

namespace ltp {

void check_gpu(const std::string& compute_capability) {
    int count = 0, major = 0, minor = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess && count == 0) status = cudaErrorNoDevice;
    check_cuda(status, "this machine has no NVIDIA GPU (or its driver does not work)");
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu),
               "the GPU cannot be used");
    check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, gpu),
               "the GPU cannot be used");
    if (const std::string found = text(major, '.', minor); found != compute_capability)
        throw Error(text("the bundle was built for GPUs of compute capability ", compute_capability,
                         ", this one has ", found, "; rebuild the bundle for it, or choose ",
                         "another GPU with CUDA_VISIBLE_DEVICES"));
}

Graph capture(cudaStream_t stream, const std::function<void()>& queue) {
    constexpr const char* refused = "not captured in a CUDA graph";
    // Other threads may queue work meanwhile as they like.
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), refused);
    cudaGraph_t graph = nullptr;
    try {
        queue();
    } catch (...) {
        if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
        throw;
    }
    check_cuda(cudaStreamEndCapture(stream, &graph), refused);
    cudaGraphExec_t made = nullptr;
    const cudaError_t status = cudaGraphInstantiateWithFlags(&made, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(status, refused);
    return Graph(made);
}

}  // namespace ltp
