#include "log.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <type_traits>

namespace ltp::tensorrt {
namespace {

using nvinfer1::ILogger;
using nvinfer1::ILoggerFinder;

std::atomic<ILoggerFinder*> logger_finder{nullptr};

/// getInferLibVersion() of the loaded library that contains `address`: 100 * (100 * major + minor)
/// + patch, or 0.
std::int32_t version_of_library_with(const void* address) {
    Dl_info info{};
    if (dladdr(address, &info) == 0) return 0;
    void* library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return 0;
    const auto version = reinterpret_cast<std::int32_t (*)()>(dlsym(library, "getInferLibVersion"));
    const std::int32_t number = version ? version() : 0;
    dlclose(library);
    return number;
}

/// Since TensorRT 11, and in TensorRT for RTX (whose versions are 1.x) since 1.7 at the latest,
/// loggers and their finders derive from IVersionedInterface, whose virtual functions come first.
/// One build of the plugin runs in both kinds of library, but can call the loggers of the kind
/// alone that its headers describe.
bool can_call(const ILoggerFinder* finder) {
    const void* virtual_functions = *reinterpret_cast<void* const*>(finder);
    const std::int32_t version = version_of_library_with(virtual_functions);
    if (std::is_base_of_v<nvinfer1::IVersionedInterface, ILoggerFinder>)
        return version >= 110000 || (version >= 10700 && version < 100000);
    return version >= 100000 && version < 110000;
}

}  // namespace

void set_logger_finder(ILoggerFinder* finder) noexcept {
    logger_finder = finder && can_call(finder) ? finder : nullptr;
}

void log_error(const std::string& message) noexcept {
    const std::string text = "LtpPrunedAttention: " + message;
    ILoggerFinder* finder = logger_finder;
    if (ILogger* logger = finder ? finder->findLogger() : nullptr)
        logger->log(ILogger::Severity::kERROR, text.c_str());
    else
        std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace ltp::tensorrt
