// The kernels themselves, compiled for the host.
#include "cuda/pruned_attention.cu"
#include "loaded.h"

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
    test::carveouts[kernel] = value;
    return static_cast<int>(test::carveouts.size()) == test::load_fails_after
               ? cudaErrorInvalidValue
               : cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** parameters,
                             std::size_t, cudaStream_t) {
    if (kernel == reinterpret_cast<const void*>(&ltp_residual_norm)) {
        const auto& arguments = *static_cast<const ltp::cuda::NormArguments*>(parameters[0]);
        emulation::launch(grid.x, grid.y, block.x, [&] { ltp_residual_norm(arguments); });
        return cudaSuccess;
    }
    const auto entry = reinterpret_cast<void (*)(ltp::cuda::Arguments)>(const_cast<void*>(kernel));
    const auto& arguments = *static_cast<const ltp::cuda::Arguments*>(parameters[0]);
    emulation::launch(grid.x, grid.y, block.x, [&] { entry(arguments); });
    return cudaSuccess;
}
