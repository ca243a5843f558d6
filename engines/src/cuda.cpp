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

}  // namespace ltp
