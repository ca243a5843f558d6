// What a layer launches, and where its scratch memory lies, as data.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "pruned_attention.h"

namespace ltp::cuda {

struct Kernel {
    const char* name = nullptr;
    const void* function = nullptr;
};

struct Launch {
    Kernel kernel;
    dim3 grid, block;
};

/// In the order in which they run.
struct Launches {
    Launch launch[3];
    int count = 0;
};

Launches launches(const Layer& layer, int rows, int sequences);

/// Offsets in bytes; a part that the layer does not need is empty.
struct Workspace {
    std::size_t scores = 0, attended = 0, survivors = 0, survivor_counts = 0, end = 0;
};

/// scores come first and are zeroed before the first launch.
Workspace workspace(const Layer& layer, int rows, int sequences);

/// Whether rows move: survivors are gathered at the front.
inline bool compacts(Carry carry) { return carry == Carry::Survivors || carry == Carry::Bounded; }

}  // namespace ltp::cuda
