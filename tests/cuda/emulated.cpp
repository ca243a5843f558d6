// The emulated kernels by name, for launchers in Python: a shared library in place of the CUDA
// driver.
#include <map>
#include <string>

#include "cuda/arguments.h"
#include "cuda/launches.h"

extern "C" void ltp_residual_norm(ltp::cuda::NormArguments);

namespace {

using namespace ltp;

std::map<std::string, const void*> all_kernels() {
    std::map<std::string, const void*> found;
    for (const int head_size : {32, 64, 128})
        for (const Mode mode : {Mode::None, Mode::TopK})
            for (const Carry carry : {Carry::All, Carry::Survivors, Carry::First}) {
                const cuda::Launches list =
                    cuda::launches({1, head_size, {mode, 0.5f, 0, true}, carry}, 1, 1);
                for (int i = 0; i < list.count; ++i)
                    found[list.launch[i].kernel.name] = list.launch[i].kernel.function;
            }
    found["ltp_residual_norm"] = reinterpret_cast<const void*>(&ltp_residual_norm);
    return found;
}

}  // namespace

/// Returns 0, or 1 where there is no such kernel.
extern "C" __attribute__((visibility("default"))) int ltp_launch(const char* name, unsigned grid_x,
                                                                 unsigned grid_y, unsigned threads,
                                                                 void** parameters) {
    static const std::map<std::string, const void*> kernels = all_kernels();
    const auto kernel = kernels.find(name);
    if (kernel == kernels.end()) return 1;
    return cudaLaunchKernel(kernel->second, {grid_x, grid_y, 1}, {threads, 1, 1}, parameters, 0,
                            nullptr);
}
