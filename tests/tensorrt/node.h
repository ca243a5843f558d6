// A node's fields as TensorRT hands them over, and the plugin made of them.
#pragma once

#include <memory>
#include <vector>

#include "creator.h"

namespace test {

struct Node {
    std::int32_t heads = 12, mode = 1, score_length = 128, keep_first = 1, carry = 0;
    float threshold = 0.01f;
    std::int32_t expected_per_mille = 900;

    std::vector<nvinfer1::PluginField> fields() const {
        using Type = nvinfer1::PluginFieldType;
        return {{"heads", &heads, Type::kINT32, 1},
                {"mode", &mode, Type::kINT32, 1},
                {"score_length", &score_length, Type::kINT32, 1},
                {"keep_first", &keep_first, Type::kINT32, 1},
                {"carry", &carry, Type::kINT32, 1},
                {"threshold", &threshold, Type::kFLOAT32, 1},
                {"expected_per_mille", &expected_per_mille, Type::kINT32, 1}};
    }
};

using PluginPointer = std::unique_ptr<nvinfer1::IPluginV3>;

inline PluginPointer create(const std::vector<nvinfer1::PluginField>& fields,
                            nvinfer1::TensorRTPhase phase = nvinfer1::TensorRTPhase::kBUILD) {
    const nvinfer1::PluginFieldCollection collection{static_cast<std::int32_t>(fields.size()),
                                                     fields.data()};
    return PluginPointer(
        ltp::tensorrt::PrunedAttentionCreator().createPlugin("layer", &collection, phase));
}

inline PluginPointer create(const Node& node) { return create(node.fields()); }

template <class Capability>
Capability& capability(nvinfer1::IPluginV3& plugin, nvinfer1::PluginCapabilityType type) {
    return *static_cast<Capability*>(plugin.getCapabilityInterface(type));
}

inline nvinfer1::IPluginV3OneBuild& build(nvinfer1::IPluginV3& plugin) {
    return capability<nvinfer1::IPluginV3OneBuild>(plugin, nvinfer1::PluginCapabilityType::kBUILD);
}

inline nvinfer1::IPluginV3OneRuntime& runtime(nvinfer1::IPluginV3& plugin) {
    return capability<nvinfer1::IPluginV3OneRuntime>(plugin,
                                                     nvinfer1::PluginCapabilityType::kRUNTIME);
}

}  // namespace test
