#include "fake_cudart.h"

#include <cstdlib>
#include <cstring>

test::FakeGpus test::fake_gpus;

namespace {

thread_local int current_device = 5;  // what the caller of the engine uses for itself

cudaError_t allocate(void** memory, std::size_t bytes) {
    *memory = std::malloc(bytes);
    return current_device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

}  // namespace

extern "C" {

const char* cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorInsufficientDriver ? "the driver is too old" : "some error";
}

cudaError_t cudaGetDeviceCount(int* count) {
    *count = test::fake_gpus.count;
    return test::fake_gpus.status;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    *value = attribute == cudaDevAttrComputeCapabilityMajor ? test::fake_gpus.major
                                                            : test::fake_gpus.minor;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
    *device = current_device;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) { return allocate(memory, bytes); }

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) { return allocate(memory, bytes); }

cudaError_t cudaFree(void* memory) {
    std::free(memory);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) { return cudaFree(memory); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
    std::memcpy(to, from, bytes);
    return test::fake_gpus.status;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    *stream = static_cast<cudaStream_t>(std::malloc(1));
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return cudaFree(stream); }

cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
}
