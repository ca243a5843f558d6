// What makes plugins: from an ONNX node when an engine is built, from an engine's bytes when it is
// loaded.
#pragma once

#include <NvInferRuntime.h>

#include "fields.h"
#include "pruned_attention_plugin.h"

namespace ltp::tensorrt {

class PrunedAttentionCreator final : public nvinfer1::IPluginCreatorV3One {
public:
    PrunedAttentionCreator();

    /// Null, after a word to the log, where a field is missing or cannot be used.
    nvinfer1::IPluginV3* createPlugin(const char* name,
                                      const nvinfer1::PluginFieldCollection* fields,
                                      nvinfer1::TensorRTPhase phase) noexcept override;
    const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override {
        return &collection_;
    }

    const char* getPluginName() const noexcept override { return plugin_name; }
    const char* getPluginVersion() const noexcept override { return plugin_version; }
    const char* getPluginNamespace() const noexcept override { return plugin_namespace; }

private:
    FieldList names_;
    nvinfer1::PluginFieldCollection collection_{};
};

}  // namespace ltp::tensorrt
