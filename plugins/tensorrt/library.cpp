// What TensorRT finds when it loads this library.
#include <NvInferRuntime.h>

#include "creator.h"
#include "log.h"

#define LTP_EXPORT extern "C" __attribute__((visibility("default")))

LTP_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(std::int32_t& count) {
    static ltp::tensorrt::PrunedAttentionCreator pruned_attention;
    static nvinfer1::IPluginCreatorInterface* const creators[] = {&pruned_attention};
    count = 1;
    return creators;
}

LTP_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) {
    ltp::tensorrt::set_logger_finder(finder);
}
