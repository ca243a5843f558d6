#include "run.h"

#include <algorithm>

namespace ltp::tensorrt {
namespace {

int carried_rows(const cuda::Layer& layer, const Tensors& tensors) {
    if (layer.carry == Carry::Survivors) return 0;  // of none
    return layer.carry == Carry::First ? tensors.sequences : tensors.rows;
}

cudaError_t clear(void* output, std::size_t bytes, cudaStream_t stream) {
    return output && bytes ? cudaMemsetAsync(output, 0, bytes, stream) : cudaSuccess;
}

cudaError_t clear_outputs(const cuda::Layer& layer, const Tensors& tensors, cudaStream_t stream) {
    const std::size_t rows = carried_rows(layer, tensors), number = sizeof(std::int32_t);
    const std::size_t bytes[] = {rows * layer.heads * layer.head_size * sizeof(__half),
                                 rows * number, (tensors.sequences + std::size_t{1}) * number,
                                 rows * number, number};
    const int outputs = layer.carry == Carry::Survivors ? 5 : 4;
    for (int i = 0; i < outputs; ++i)
        if (const cudaError_t status = clear(tensors.out[i], bytes[i], stream);
            status != cudaSuccess)
            return status;
    return cudaSuccess;
}

template <class Pointers>
bool all_there(const Pointers* pointers, int count) {
    return std::all_of(pointers, pointers + count,
                       [](const void* pointer) { return pointer != nullptr; });
}

}  // namespace

cudaError_t run(const cuda::Layer& layer, const Tensors& tensors, void* workspace,
                cudaStream_t stream) {
    if (tensors.rows == 0 || tensors.sequences == 0) return clear_outputs(layer, tensors, stream);
    const bool counted = layer.carry == Carry::Survivors;
    if (!all_there(tensors.in, 4) || !all_there(tensors.out, counted ? 5 : 4))
        return cudaErrorInvalidValue;

    const auto in = [&](int i) { return static_cast<const std::int32_t*>(tensors.in[i]); };
    const auto out = [&](int i) { return static_cast<std::int32_t*>(tensors.out[i]); };
    return cuda::pruned_attention(
        layer,
        {tensors.rows, tensors.sequences, static_cast<const __half*>(tensors.in[0]), in(1), in(2),
         in(3)},
        {static_cast<__half*>(tensors.out[0]), out(1), out(2), out(3), counted ? out(4) : nullptr},
        workspace, stream);
}

}  // namespace ltp::tensorrt
