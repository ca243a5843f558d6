#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <string>
#include <vector>

#include "bundle.h"
#include "cuda.h"
#include "inputs.h"
#include "tensorrt_library.h"

namespace ltp {

/// Memory of one output, which grows as TensorRT asks for more.
class OutputBuffer : public nvinfer1::IOutputAllocator {
public:
    void* reallocateOutputAsync(const char* name, void* current, std::uint64_t bytes,
                                std::uint64_t alignment, cudaStream_t stream) override;
    void notifyShape(const char* name, const nvinfer1::Dims& shape) noexcept override;

    const void* data() const { return memory_.get(); }
    const nvinfer1::Dims& shape() const { return shape_; }

private:
    GpuMemory memory_;
    std::uint64_t capacity_ = 0;
    nvinfer1::Dims shape_{};
};

/// What runs one request at a time: an execution context with its stream and its buffers, which
/// hold the largest request that the bundle allows. Made and used while GpuScope holds.
class TensorRtContext {
public:
    /// Throws Error, as infer does.
    TensorRtContext(nvinfer1::ICudaEngine& engine, const Bundle& bundle,
                    const TensorRtLogger& logger);

    /// Logits [sequences, num_labels].
    std::vector<float> infer(const EngineInputs& inputs, std::size_t sequences);

private:
    struct Input {
        std::string name;
        PinnedMemory<std::int32_t> host;
        GpuMemory device;
    };

    void add_input(const std::string& name);
    void add_output(const std::string& name);
    void send(const Input& input, const std::vector<std::int32_t>& values);

    const Info& info_;
    const TensorRtLogger& logger_;
    Stream stream_;
    std::vector<Input> inputs_;
    std::vector<std::unique_ptr<OutputBuffer>> outputs_;
    const OutputBuffer* logits_ = nullptr;
    PinnedMemory<float> host_logits_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;  // the first to go: it uses the others
};

}  // namespace ltp
