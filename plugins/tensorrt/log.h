// Where the plugin says why it refuses something.
#pragma once

#include <NvInferRuntime.h>

#include <string>

namespace ltp::tensorrt {

/// Tells log_error about the logger of the TensorRT library that loads the plugin.
void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept;

/// An error message, to TensorRT's logger if there is one that can be called, or else to standard
/// error.
void log_error(const std::string& message) noexcept;

}  // namespace ltp::tensorrt
