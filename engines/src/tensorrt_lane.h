#pragma once

#include <NvInferRuntime.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bundle.h"
#include "cuda.h"
#include "inputs.h"
#include "tensorrt_contexts.h"
#include "tensorrt_library.h"

namespace ltp {

/// Memory of one output, as large as the bundle's limits allow.
class OutputBuffer : public nvinfer1::IOutputAllocator {
public:
    explicit OutputBuffer(std::size_t bytes) : bytes_(bytes), memory_(gpu_memory(bytes)) {}

    void* reallocateOutputAsync(const char* name, void* current, std::uint64_t bytes,
                                std::uint64_t alignment, cudaStream_t stream) override;
    void notifyShape(const char* name, const nvinfer1::Dims& shape) noexcept override;

    const void* data() const { return memory_.get(); }
    const nvinfer1::Dims& shape() const { return shape_; }

private:
    std::uint64_t bytes_;
    GpuMemory memory_;
    nvinfer1::Dims shape_{};
};

/// What runs one request at a time: a stream, buffers that hold the largest request that the bundle
/// allows, and an execution context for each optimisation profile. Where no size depends on the
/// data, requests are padded to few different sizes, and those that come again are CUDA graphs, if
/// they can be captured. Made and used while GpuScope holds.
class TensorRtLane {
public:
    /// All lanes of an engine hold `capturing` while they capture a graph: what another one does to
    /// make a context may be forbidden meanwhile. Throws Error, as infer does.
    TensorRtLane(nvinfer1::ICudaEngine& engine, const Bundle& bundle, const TensorRtLogger& logger,
                 std::mutex& capturing);

    /// Logits [sequences, num_labels].
    std::vector<float> infer(const EngineInputs& inputs, std::size_t sequences);

private:
    using Context = std::unique_ptr<nvinfer1::IExecutionContext>;
    struct Input {
        std::string name;
        PinnedMemory<std::int32_t> host;
        GpuMemory device;
    };
    /// A graph and the context that it belongs to.
    struct Captured {
        Context context;
        Graph graph;
    };

    void add_input(const std::string& name);
    void add_output(const std::string& name);
    Context context(int profile);
    Size padded(const Size& size) const;
    void fill(const EngineInputs& inputs, const Size& size);
    /// Has the request in the host's buffers answered there.
    void compute(nvinfer1::IExecutionContext& context, const Size& size);
    /// Queues copies and kernels for a context that knows the shapes of its inputs.
    void queue(nvinfer1::IExecutionContext& context, const Size& size);
    /// A computation that cannot be captured is not tried again.
    void capture(const Size& size);

    const Info& info_;
    const TensorRtLogger& logger_;
    const bool fixed_sizes_, captures_;
    std::mutex& capturing_;
    Stream stream_;
    std::vector<Input> inputs_;
    std::vector<std::pair<std::string, std::unique_ptr<OutputBuffer>>> outputs_;
    const OutputBuffer* logits_ = nullptr;
    PinnedMemory<float> host_logits_;
    TensorRtContexts contexts_;
    // The first to go: they use the others.
    std::vector<Context> by_profile_;
    std::map<Size, int> seen_;
    std::map<Size, Captured> captured_;
};

}  // namespace ltp
