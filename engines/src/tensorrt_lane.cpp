#include "tensorrt_lane.h"

#include <algorithm>

#include "padding.h"
#include "text.h"

namespace ltp {
namespace {

constexpr const char* lost = "the GPU failed";
constexpr std::size_t max_graphs = 64;  // each with an execution context of its own

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

std::size_t length(const std::string& name, const Size& size) {
    return name == "offsets" ? size.second + 1 : size.first;
}

}  // namespace

/// Whatever used the old content is done: requests follow one another.
void* OutputBuffer::reallocateOutputAsync(const char*, void*, std::uint64_t bytes, std::uint64_t,
                                          cudaStream_t) {
    return bytes <= bytes_ ? memory_.get() : nullptr;
}

void OutputBuffer::notifyShape(const char*, const nvinfer1::Dims& shape) noexcept {
    shape_ = shape;
}

TensorRtLane::TensorRtLane(nvinfer1::ICudaEngine& engine, const Bundle& bundle,
                           const TensorRtLogger& logger, std::mutex& capturing)
    : info_(bundle.info),
      logger_(logger),
      fixed_sizes_(bundle.tensorrt.fixed_sizes),
      // TensorRT for RTX compiles for each new context, which only its own headers can prevent.
      captures_(fixed_sizes_ && bundle.tensorrt.library == "tensorrt"),
      capturing_(capturing),
      stream_(new_stream()),
      host_logits_(pinned_memory<float>(std::size_t(info_.max_batch) * info_.num_labels)),
      contexts_(engine, stream_.get(), logger) {
    for (const std::string& name : bundle.inputs) add_input(name);
    for (const std::string& name : bundle.outputs) add_output(name);
    if (const Size& most = contexts_.profiles().at(0);
        most.first < std::size_t(info_.max_tokens) || most.second < std::size_t(info_.max_batch))
        throw Error(text("the engine takes ", most.first, " tokens in ", most.second,
                         " sequences, the manifest says ", info_.max_tokens, " in ",
                         info_.max_batch, "; rebuild the bundle"));
    for (std::size_t i = 0; i < contexts_.profiles().size(); ++i)
        by_profile_.push_back(context(static_cast<int>(i)));
}

void TensorRtLane::add_input(const std::string& name) {
    const std::size_t most = length(name, Size(info_.max_tokens, info_.max_batch));
    inputs_.push_back(
        {name, pinned_memory<std::int32_t>(most), gpu_memory(most * sizeof(std::int32_t))});
}

void TensorRtLane::add_output(const std::string& name) {
    const std::size_t most_rows = std::max(info_.max_tokens, info_.max_batch + 1),
                      values = name == "logits" ? std::size_t(info_.max_batch) * info_.num_labels
                                                : most_rows;
    outputs_.emplace_back(name, std::make_unique<OutputBuffer>(values * sizeof(float)));
    if (name == "logits") logits_ = outputs_.back().second.get();
}

TensorRtLane::Context TensorRtLane::context(int profile) {
    Context made = contexts_.make(profile);
    for (const Input& input : inputs_)
        if (!made->setInputTensorAddress(input.name.c_str(), input.device.get()))
            throw Error(text("the engine does not take the input ", input.name));
    for (const auto& [name, buffer] : outputs_)
        if (!made->setOutputAllocator(name.c_str(), buffer.get()))
            throw Error(text("the engine does not give the output ", name));
    return made;
}

/// Sequences of no tokens begin at a row that is there.
Size TensorRtLane::padded(const Size& size) const {
    const Size& general = contexts_.profiles().front();
    const auto [rows, sequences] = size;
    std::size_t slots = sequence_bucket(sequences, general.second);
    if (rows + (slots > sequences) > general.first) slots = sequences;
    const Size& most = contexts_.profiles()[contexts_.best_profile({rows, slots})];
    return {std::min(row_bucket(rows + (slots > sequences)), most.first), slots};
}

void TensorRtLane::fill(const EngineInputs& inputs, const Size& size) {
    for (const Input& input : inputs_) {
        const std::vector<std::int32_t>& values = inputs[input.name];
        std::int32_t* const end = std::copy(values.begin(), values.end(), input.host.get());
        std::fill(end, input.host.get() + length(input.name, size),
                  input.name == "offsets" ? values.back() : 0);
    }
}

void TensorRtLane::compute(nvinfer1::IExecutionContext& context, const Size& size) {
    for (const Input& input : inputs_) {
        const auto count = static_cast<std::int32_t>(length(input.name, size));
        if (!context.setInputShape(input.name.c_str(), nvinfer1::Dims{1, {count}}))
            throw Error(text("the engine does not take ", count, " ", input.name, ": ",
                             logger_.last_error()));
    }
    queue(context, size);
    const nvinfer1::Dims& shape = logits_->shape();
    if (shape.nbDims != 2 || static_cast<std::size_t>(shape.d[0]) != size.second ||
        shape.d[1] != info_.num_labels)
        throw Error(
            text("the engine's logits are not [", size.second, ", ", info_.num_labels, "]"));
}

void TensorRtLane::queue(nvinfer1::IExecutionContext& context, const Size& size) {
    for (const Input& input : inputs_)
        check_cuda(cudaMemcpyAsync(input.device.get(), input.host.get(),
                                   length(input.name, size) * sizeof(std::int32_t),
                                   cudaMemcpyHostToDevice, stream_.get()),
                   lost);
    if (!context.enqueueV3(stream_.get()))
        throw Error(text("TensorRT cannot run the engine: ", logger_.last_error()));
    check_cuda(cudaMemcpyAsync(host_logits_.get(), logits_->data(),
                               size.second * info_.num_labels * sizeof(float),
                               cudaMemcpyDeviceToHost, stream_.get()),
               lost);
}

void TensorRtLane::capture(const Size& size) {
    if (captured_.size() == max_graphs) return;  // the first ones stay
    const std::lock_guard lock(capturing_);
    try {
        Context own = context(contexts_.best_profile(size));
        const SyncAtEnd sync(stream_.get());
        compute(*own, size);  // TensorRT does now what it puts off after a change of shapes
        check_cuda(cudaStreamSynchronize(stream_.get()), lost);
        Graph graph = ltp::capture(stream_.get(), [&] { queue(*own, size); });
        captured_.emplace(size, Captured{std::move(own), std::move(graph)});
    } catch (const Error&) {
        cudaGetLastError();
    }
}

std::vector<float> TensorRtLane::infer(const EngineInputs& inputs, std::size_t sequences) {
    const SyncAtEnd sync(stream_.get());
    const Size given(inputs["input_ids"].size(), sequences),
        size = fixed_sizes_ ? padded(given) : given;
    fill(inputs, size);
    if (const auto found = captured_.find(size); found != captured_.end()) {
        check_cuda(cudaGraphLaunch(found->second.graph.get(), stream_.get()), lost);
    } else {
        compute(*by_profile_[contexts_.best_profile(size)], size);
        if (captures_ && ++seen_[size] == 2) capture(size);
    }
    check_cuda(cudaStreamSynchronize(stream_.get()), lost);
    return {host_logits_.get(), host_logits_.get() + sequences * info_.num_labels};
}

}  // namespace ltp
