#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <utility>
#include <vector>

#include "cuda.h"
#include "tensorrt_library.h"

namespace ltp {

/// Rows (tokens) and sequences of a request, padding included.
using Size = std::pair<std::size_t, std::size_t>;

/// Makes the execution contexts of one lane, which share memory: they run one after another.
class TensorRtContexts {
public:
    /// Throws Error, as make does.
    TensorRtContexts(nvinfer1::ICudaEngine& engine, cudaStream_t stream,
                     const TensorRtLogger& logger);

    /// The largest request of each optimisation profile, from the general one to the special ones.
    const std::vector<Size>& profiles() const { return profiles_; }

    /// The number of the most special profile that holds a request.
    int best_profile(const Size& size) const;

    std::unique_ptr<nvinfer1::IExecutionContext> make(int profile) const;

private:
    nvinfer1::ICudaEngine& engine_;
    const cudaStream_t stream_;
    const TensorRtLogger& logger_;
    const std::int64_t bytes_;
    const GpuMemory memory_;
    std::vector<Size> profiles_;
};

}  // namespace ltp
