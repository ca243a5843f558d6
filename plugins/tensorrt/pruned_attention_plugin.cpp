#include "pruned_attention_plugin.h"

#include <new>
#include <string>

#include "log.h"
#include "run.h"

namespace ltp::tensorrt {

using nvinfer1::DataType;
using nvinfer1::DimensionOperation;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;

namespace {

constexpr std::int32_t refused = 1;
constexpr std::int32_t input_count = 4;

/// The number of dimensions of qkv, offsets, alive, lengths.
constexpr std::int32_t input_ranks[input_count] = {2, 1, 1, 1};

/// Of an input or, counted on from the inputs, an output.
DataType type_of(std::int32_t position) {
    const bool qkv_or_context = position == 0 || position == input_count;
    return qkv_or_context ? DataType::kHALF : DataType::kINT32;
}

bool check_ranks(const DimsExprs* in, std::int32_t inputs) {
    bool right = inputs == input_count;
    for (std::int32_t i = 0; right && i < inputs; ++i) right = in[i].nbDims == input_ranks[i];
    if (!right)
        log_error("the inputs must be qkv [T, 3d], offsets [B + 1], alive [T] and lengths [B]");
    return right;
}

bool check_width(std::int64_t width, std::int32_t heads) {
    const std::int64_t size = width / 3 / heads;
    if (size * 3 * heads == width && size > 0 && size % 8 == 0 && size <= 128) return true;
    log_error("qkv has " + std::to_string(width) + " columns, but " + std::to_string(heads) +
              " heads take 3 * " + std::to_string(heads) +
              " * the head size, a multiple of 8, at most 128");
    return false;
}

}  // namespace

nvinfer1::IPluginCapability* PrunedAttentionPlugin::getCapabilityInterface(
    nvinfer1::PluginCapabilityType type) noexcept {
    switch (type) {
        case nvinfer1::PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
        case nvinfer1::PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
        case nvinfer1::PluginCapabilityType::kRUNTIME:
            return static_cast<IPluginV3OneRuntime*>(this);
    }
    return nullptr;
}

nvinfer1::IPluginV3* PrunedAttentionPlugin::clone() noexcept {
    return new (std::nothrow) PrunedAttentionPlugin(fields_, runs_);
}

std::int32_t PrunedAttentionPlugin::getOutputDataTypes(DataType* types, std::int32_t outputs,
                                                       const DataType*,
                                                       std::int32_t) const noexcept {
    for (std::int32_t i = 0; i < outputs; ++i) types[i] = type_of(input_count + i);
    return 0;
}

std::int32_t PrunedAttentionPlugin::getOutputShapes(const DimsExprs* in, std::int32_t inputs,
                                                    const DimsExprs*, std::int32_t, DimsExprs* out,
                                                    std::int32_t,
                                                    nvinfer1::IExprBuilder& expressions) noexcept {
    if (!check_ranks(in, inputs)) return refused;
    const auto *rows = in[0].d[0], *width = in[0].d[1], *sequences = in[3].d[0];
    if (!width->isConstant()) {
        log_error("the number of columns of qkv must be known when the engine is built");
        return refused;
    }
    if (!check_width(width->getConstantValue(), fields_.heads)) return refused;

    const nvinfer1::IDimensionExpr* carried = rows;
    if (carry() == Carry::First) carried = sequences;
    if (carry() == Carry::Survivors) {
        const auto* thousands = expressions.operation(
            DimensionOperation::kPROD, *rows, *expressions.constant(fields_.expected_per_mille));
        const auto* expected = expressions.operation(DimensionOperation::kCEIL_DIV, *thousands,
                                                     *expressions.constant(1000));
        carried = expressions.declareSizeTensor(4, *expected, *rows);
        out[4].nbDims = 0;
    }
    out[0] = {2, {carried, expressions.constant(width->getConstantValue() / 3)}};
    out[1] = {1, {carried}};
    out[2] = in[1];
    out[3] = {1, {carried}};
    return 0;
}

/// A single format and, by default, a single tactic: there is nothing for TensorRT to choose by
/// timing the kernels on offsets that mean nothing.
bool PrunedAttentionPlugin::supportsFormatCombination(std::int32_t position,
                                                      const DynamicPluginTensorDesc* tensors,
                                                      std::int32_t, std::int32_t) noexcept {
    const PluginTensorDesc& tensor = tensors[position].desc;
    return tensor.format == nvinfer1::TensorFormat::kLINEAR && tensor.type == type_of(position);
}

std::int32_t PrunedAttentionPlugin::configurePlugin(const DynamicPluginTensorDesc*, std::int32_t,
                                                    const DynamicPluginTensorDesc*,
                                                    std::int32_t) noexcept {
    return 0;
}

std::size_t PrunedAttentionPlugin::getWorkspaceSize(const DynamicPluginTensorDesc* in, std::int32_t,
                                                    const DynamicPluginTensorDesc*,
                                                    std::int32_t) const noexcept {
    return cuda::workspace_bytes(layer(in[0].max.d[1]), static_cast<int>(in[0].max.d[0]),
                                 static_cast<int>(in[3].max.d[0]));
}

std::int32_t PrunedAttentionPlugin::onShapeChange(const PluginTensorDesc* in, std::int32_t,
                                                  const PluginTensorDesc*, std::int32_t) noexcept {
    return check_width(in[0].dims.d[1], fields_.heads) ? 0 : refused;
}

std::int32_t PrunedAttentionPlugin::enqueue(const PluginTensorDesc* in_desc,
                                            const PluginTensorDesc*, const void* const* in,
                                            void* const* out, void* workspace,
                                            cudaStream_t stream) noexcept {
    const Tensors tensors{static_cast<int>(in_desc[0].dims.d[0]),
                          static_cast<int>(in_desc[3].dims.d[0]), in, out};
    const cudaError_t status = run(layer(in_desc[0].dims.d[1]), tensors, workspace, stream);
    if (status == cudaSuccess) return 0;
    log_error(std::string("the GPU refused: ") + cudaGetErrorString(status));
    return refused;
}

nvinfer1::IPluginV3* PrunedAttentionPlugin::attachToContext(
    nvinfer1::IPluginResourceContext*) noexcept {
    if (const cudaError_t status = runs_ ? cuda::load_kernels() : cudaSuccess;
        status != cudaSuccess) {
        log_error(std::string("the kernels do not load: ") + cudaGetErrorString(status));
        return nullptr;
    }
    return clone();
}

const nvinfer1::PluginFieldCollection* PrunedAttentionPlugin::getFieldsToSerialize() noexcept {
    serialized_ = field_list(fields_);
    collection_ = {static_cast<std::int32_t>(serialized_.size()), serialized_.data()};
    return &collection_;
}

cuda::Layer PrunedAttentionPlugin::layer(std::int64_t qkv_width) const {
    return {fields_.heads, static_cast<int>(qkv_width / 3 / fields_.heads), fields_.rule(),
            carry()};
}

}  // namespace ltp::tensorrt
