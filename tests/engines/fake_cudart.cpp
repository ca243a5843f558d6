#include "fake_cudart.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

test::FakeGpus test::fake_gpus;
int test::graph_launches = 0;
cudaError_t test::graph_status = cudaSuccess;

namespace {

using Work = std::vector<std::function<void()>>;
thread_local std::unique_ptr<Work> recording;

cudaError_t queue(std::function<void()> work) {
    if (recording)
        recording->push_back(std::move(work));
    else
        work();
    return test::fake_gpus.status;
}

thread_local int current_device = 5;  // what the caller of the engine uses for itself

cudaError_t allocate(void** memory, std::size_t bytes) {
    if (recording) return cudaErrorStreamCaptureUnsupported;
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
    return queue([=] { std::memcpy(to, from, bytes); });
}

__attribute__((visibility("default"))) cudaError_t cudaLaunchHostFunc(cudaStream_t,
                                                                      cudaHostFn_t function,
                                                                      void* data) {
    return queue([=] { function(data); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode mode) {
    if (recording || mode != cudaStreamCaptureModeThreadLocal) return cudaErrorInvalidValue;
    recording = std::make_unique<Work>();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
    *graph = reinterpret_cast<cudaGraph_t>(recording.release());
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t graph,
                                          unsigned long long) {
    if (test::graph_status == cudaSuccess)
        *made = reinterpret_cast<cudaGraphExec_t>(new Work(*reinterpret_cast<Work*>(graph)));
    return test::graph_status;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
    ++test::graph_launches;
    for (const auto& work : *reinterpret_cast<Work*>(graph)) work();
    return test::fake_gpus.status;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete reinterpret_cast<Work*>(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
    delete reinterpret_cast<Work*>(graph);
    return cudaSuccess;
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    *stream = static_cast<cudaStream_t>(std::malloc(1));
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return cudaFree(stream); }

cudaError_t cudaStreamSynchronize(cudaStream_t) {
    return recording ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
}
