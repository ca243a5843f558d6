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
    Launch launch[2];
    int count = 0;
};

Launches launches(const Layer& layer, int rows, int sequences);

/// Offsets in bytes; a part that the layer does not need is empty.
struct Workspace {
    std::size_t scores = 0, blocks_done = 0, attended = 0, survivors = 0, survivor_counts = 0;
    std::size_t zeroed = 0;  ///< how much is zeroed before the first launch, from the beginning on
    std::size_t end = 0;
};

Workspace workspace(const Layer& layer, int rows, int sequences);

}  // namespace ltp::cuda
