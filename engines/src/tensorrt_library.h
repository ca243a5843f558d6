#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <mutex>
#include <string>

#include "bundle.h"

namespace ltp {

/// Keeps TensorRT's last error, since its functions return only that they failed.
class TensorRtLogger : public nvinfer1::ILogger {
public:
    void log(Severity severity, const char* message) noexcept override;
    std::string last_error() const;

private:
    mutable std::mutex mutex_;
    std::string last_error_ = "no reason was given";
};

/// libnvinfer or libtensorrt_rtx: opened at run time, of the version that the bundle's engine was
/// built with, which is the only one that reads it. Stays open until the process ends.
class TensorRtLibrary {
public:
    /// Throws Error where the library is not found, has another version, or has a binary interface
    /// other than that of the headers that this file was compiled with.
    explicit TensorRtLibrary(const Bundle& bundle);

    /// Needs a GPU. Throws Error.
    std::unique_ptr<nvinfer1::IRuntime> create_runtime(TensorRtLogger& logger) const;

private:
    void* handle_;
};

}  // namespace ltp
