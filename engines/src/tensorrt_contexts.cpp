#include "tensorrt_contexts.h"

#include <algorithm>

#include "text.h"

namespace ltp {

TensorRtContexts::TensorRtContexts(nvinfer1::ICudaEngine& engine, cudaStream_t stream,
                                   const TensorRtLogger& logger)
    : engine_(engine),
      stream_(stream),
      logger_(logger),
      bytes_(std::max<std::int64_t>(engine.getDeviceMemorySizeV2(), 1)),
      memory_(gpu_memory(bytes_)) {
    for (int i = 0; i < engine.getNbOptimizationProfiles(); ++i) {
        const auto most = [&](const char* name) {
            const auto largest = nvinfer1::OptProfileSelector::kMAX;
            return static_cast<std::size_t>(engine.getProfileShape(name, i, largest).d[0]);
        };
        profiles_.emplace_back(most("input_ids"), most("offsets") - 1);
    }
}

int TensorRtContexts::best_profile(const Size& size) const {
    const auto holds = [&](const Size& most) {
        return size.first <= most.first && size.second <= most.second;
    };
    const auto found = std::find_if(profiles_.rbegin(), profiles_.rend(), holds);
    if (found == profiles_.rend())
        throw Error(text(size.first, " tokens in ", size.second,
                         " sequences are more than the engine was built for; rebuild the bundle"));
    return static_cast<int>(profiles_.rend() - found) - 1;
}

std::unique_ptr<nvinfer1::IExecutionContext> TensorRtContexts::make(int profile) const {
    std::unique_ptr<nvinfer1::IExecutionContext> context(engine_.createExecutionContext(
        nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
    if (!context || !context->setOptimizationProfileAsync(profile, stream_))
        throw Error(text("TensorRT cannot prepare the engine: ", logger_.last_error()));
    check_cuda(cudaStreamSynchronize(stream_), "the GPU failed");
    context->setDeviceMemoryV2(memory_.get(), bytes_);
    return context;
}

}  // namespace ltp
