#include "creator.h"

#include <exception>

#include "log.h"

namespace ltp::tensorrt {

using nvinfer1::PluginFieldCollection;

PrunedAttentionCreator::PrunedAttentionCreator() : names_(field_list({})) {
    for (nvinfer1::PluginField& field : names_) field.data = nullptr;
    collection_ = {static_cast<std::int32_t>(names_.size()), names_.data()};
}

nvinfer1::IPluginV3* PrunedAttentionCreator::createPlugin(const char* name,
                                                          const PluginFieldCollection* fields,
                                                          nvinfer1::TensorRTPhase phase) noexcept {
    try {
        return new PrunedAttentionPlugin(parse_fields(fields ? *fields : PluginFieldCollection{}),
                                         phase == nvinfer1::TensorRTPhase::kRUNTIME);
    } catch (const std::exception& error) {
        log_error((name ? std::string("node ") + name + ": " : "") + error.what());
        return nullptr;
    }
}

}  // namespace ltp::tensorrt
