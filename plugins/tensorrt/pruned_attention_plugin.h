// The TensorRT plugin LtpPrunedAttention: the op of ltp_deploy/model/op.py on a GPU, in float16.
#pragma once

#include <NvInferRuntime.h>

#include "cuda/pruned_attention.h"
#include "fields.h"

namespace ltp::tensorrt {

inline constexpr const char* plugin_name = "LtpPrunedAttention";
inline constexpr const char* plugin_version = "1";
inline constexpr const char* plugin_namespace = "";

/// Inputs (T rows of B packed sequences, hidden size d):
///   0 qkv      [T, 3d]  f16, columns Q heads | K heads | V heads; a head's size is a multiple of
///   8,
///                       at most 128
///   1 offsets  [B + 1]  i32, sequence b is rows offsets[b] .. offsets[b + 1]
///   2 alive    [T]      i32, 0 = pruned by an earlier layer
///   3 lengths  [B]      i32, original token counts
/// Outputs:
///   0 context  [T', d]  f16
///   1 kept     [T']     i32, ascending indices into T
///   2 offsets  [B + 1]  i32
///   3 alive    [T']     i32
///   4 count    []       i32, T'; only where the carry is Survivors
/// T' is T where the carry is All or Bounded, B where it is First, and known only after execution,
/// at most T, where it is Survivors. What is refused is logged, and the call returns a nonzero
/// status.
class PrunedAttentionPlugin final : public nvinfer1::IPluginV3,
                                    public nvinfer1::IPluginV3OneCore,
                                    public nvinfer1::IPluginV3OneBuild,
                                    public nvinfer1::IPluginV3OneRuntime {
public:
    /// `runs`: it is part of an engine that was loaded, and not of one that is built, perhaps
    /// without a GPU.
    PrunedAttentionPlugin(const Fields& fields, bool runs) : fields_(fields), runs_(runs) {}

    nvinfer1::IPluginCapability* getCapabilityInterface(
        nvinfer1::PluginCapabilityType type) noexcept override;
    nvinfer1::IPluginV3* clone() noexcept override;

    const char* getPluginName() const noexcept override { return plugin_name; }
    const char* getPluginVersion() const noexcept override { return plugin_version; }
    const char* getPluginNamespace() const noexcept override { return plugin_namespace; }

    std::int32_t getNbOutputs() const noexcept override {
        return carry() == Carry::Survivors ? 5 : 4;
    }
    std::int32_t getOutputDataTypes(nvinfer1::DataType* types, std::int32_t outputs,
                                    const nvinfer1::DataType* input_types,
                                    std::int32_t inputs) const noexcept override;
    std::int32_t getOutputShapes(const nvinfer1::DimsExprs* in, std::int32_t inputs,
                                 const nvinfer1::DimsExprs* shape_inputs,
                                 std::int32_t shape_input_count, nvinfer1::DimsExprs* out,
                                 std::int32_t outputs,
                                 nvinfer1::IExprBuilder& expressions) noexcept override;
    bool supportsFormatCombination(std::int32_t position,
                                   const nvinfer1::DynamicPluginTensorDesc* tensors,
                                   std::int32_t inputs, std::int32_t outputs) noexcept override;
    std::int32_t configurePlugin(const nvinfer1::DynamicPluginTensorDesc* in, std::int32_t inputs,
                                 const nvinfer1::DynamicPluginTensorDesc* out,
                                 std::int32_t outputs) noexcept override;
    std::size_t getWorkspaceSize(const nvinfer1::DynamicPluginTensorDesc* in, std::int32_t inputs,
                                 const nvinfer1::DynamicPluginTensorDesc* out,
                                 std::int32_t outputs) const noexcept override;

    std::int32_t onShapeChange(const nvinfer1::PluginTensorDesc* in, std::int32_t inputs,
                               const nvinfer1::PluginTensorDesc* out,
                               std::int32_t outputs) noexcept override;
    std::int32_t enqueue(const nvinfer1::PluginTensorDesc* in_desc,
                         const nvinfer1::PluginTensorDesc* out_desc, const void* const* in,
                         void* const* out, void* workspace, cudaStream_t stream) noexcept override;
    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext*) noexcept override;
    const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override;

private:
    Carry carry() const { return static_cast<Carry>(fields_.carry); }
    cuda::Layer layer(std::int64_t qkv_width) const;

    Fields fields_;
    bool runs_;
    FieldList serialized_;  // these two are what getFieldsToSerialize's result
    nvinfer1::PluginFieldCollection collection_{};  // points to
};

}  // namespace ltp::tensorrt
