#include "tensorrt_context.h"

#include <algorithm>

#include "text.h"

namespace ltp {
namespace {

constexpr const char* lost = "the GPU failed";

/// However a request ends, the next one finds the buffers unused.
class SyncAtEnd {
public:
    explicit SyncAtEnd(cudaStream_t stream) : stream_(stream) {}
    ~SyncAtEnd() { cudaStreamSynchronize(stream_); }
    SyncAtEnd(const SyncAtEnd&) = delete;
    SyncAtEnd& operator=(const SyncAtEnd&) = delete;

private:
    cudaStream_t stream_;
};

}  // namespace

/// The old content is worth nothing, and whatever used it is done: requests follow one another.
void* OutputBuffer::reallocateOutputAsync(const char*, void*, std::uint64_t bytes, std::uint64_t,
                                          cudaStream_t) {
    if (memory_ && bytes <= capacity_) return memory_.get();
    memory_.reset();
    void* memory = nullptr;  // also of an empty output, for which null would mean a failure
    capacity_ = std::max<std::uint64_t>(bytes, 1);
    if (cudaMalloc(&memory, capacity_) == cudaSuccess) memory_.reset(memory);
    return memory_.get();
}

void OutputBuffer::notifyShape(const char*, const nvinfer1::Dims& shape) noexcept {
    shape_ = shape;
}

TensorRtContext::TensorRtContext(nvinfer1::ICudaEngine& engine, const Bundle& bundle,
                                 const TensorRtLogger& logger)
    : info_(bundle.info),
      logger_(logger),
      stream_(new_stream()),
      host_logits_(pinned_memory<float>(std::size_t(info_.max_batch) * info_.num_labels)),
      context_(engine.createExecutionContext()) {
    if (!context_) throw Error(text("TensorRT cannot prepare the engine: ", logger.last_error()));
    for (const std::string& name : bundle.inputs) add_input(name);
    for (const std::string& name : bundle.outputs) add_output(name);
}

void TensorRtContext::add_input(const std::string& name) {
    const std::size_t most = name == "offsets" ? info_.max_batch + 1 : info_.max_tokens;
    inputs_.push_back(
        {name, pinned_memory<std::int32_t>(most), gpu_memory(most * sizeof(std::int32_t))});
    if (!context_->setInputTensorAddress(name.c_str(), inputs_.back().device.get()))
        throw Error(text("the engine does not take the input ", name));
}

void TensorRtContext::add_output(const std::string& name) {
    outputs_.push_back(std::make_unique<OutputBuffer>());
    if (name == "logits") logits_ = outputs_.back().get();
    if (!context_->setOutputAllocator(name.c_str(), outputs_.back().get()))
        throw Error(text("the engine does not give the output ", name));
}

void TensorRtContext::send(const Input& input, const std::vector<std::int32_t>& values) {
    std::copy(values.begin(), values.end(), input.host.get());
    check_cuda(cudaMemcpyAsync(input.device.get(), input.host.get(), values.size() * sizeof(int),
                               cudaMemcpyHostToDevice, stream_.get()),
               lost);
    const nvinfer1::Dims shape{1, {static_cast<std::int32_t>(values.size())}};
    if (!context_->setInputShape(input.name.c_str(), shape))
        throw Error(text("the engine does not take ", values.size(), " ", input.name, ": ",
                         logger_.last_error()));
}

std::vector<float> TensorRtContext::infer(const EngineInputs& inputs, std::size_t sequences) {
    const SyncAtEnd sync(stream_.get());
    for (const Input& input : inputs_) send(input, inputs[input.name]);
    if (!context_->enqueueV3(stream_.get()))
        throw Error(text("TensorRT cannot run the engine: ", logger_.last_error()));
    const nvinfer1::Dims& shape = logits_->shape();
    const std::size_t labels = info_.num_labels, count = sequences * labels;
    if (shape.nbDims != 2 || static_cast<std::size_t>(shape.d[0]) != sequences ||
        static_cast<std::size_t>(shape.d[1]) != labels)
        throw Error(text("the engine's logits are not [", sequences, ", ", labels, "]"));
    check_cuda(cudaMemcpyAsync(host_logits_.get(), logits_->data(), count * sizeof(float),
                               cudaMemcpyDeviceToHost, stream_.get()),
               lost);
    check_cuda(cudaStreamSynchronize(stream_.get()), lost);
    return {host_logits_.get(), host_logits_.get() + count};
}

}  // namespace ltp
