#include "fake_cuda.h"

#include <cstring>

std::size_t ltp::cuda::workspace_bytes(const Layer& layer, int rows, int sequences) {
    return std::size_t{1000000} * layer.head_size + std::size_t{1000} * rows + sequences;
}

cudaError_t ltp::cuda::pruned_attention(const Layer& layer, const Inputs& in, const Outputs& out,
                                        void* workspace, cudaStream_t) {
    test::launch = {test::launch.count + 1, layer, in, out, workspace, test::launch.answer};
    return test::launch.answer;
}

cudaError_t ltp::cuda::load_kernels() {
    ++test::loading.count;
    return test::loading.answer;
}

extern "C" cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
    std::memset(memory, value, bytes);
    return cudaSuccess;
}

extern "C" const char* cudaGetErrorString(cudaError_t) { return "a faked error"; }
