#include "tensorrt_library.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <sstream>

#include "text.h"

namespace ltp {
namespace {

using Version = std::array<int, 4>;

/// The numbers in "10.9.0.34"; -1 for each that is not there.
Version parse_version(const std::string& version) {
    Version numbers{-1, -1, -1, -1};
    std::istringstream in(version);
    for (int& number : numbers)
        if (!(in >> number) || in.get() != '.') break;
    return numbers;
}

std::string title(const Bundle& bundle) {
    const bool rtx = bundle.tensorrt.library == "tensorrt_rtx";
    return text(rtx ? "TensorRT for RTX " : "TensorRT ", bundle.version(bundle.tensorrt.library));
}

/// TensorRT's classes have another layout in each major version. Those of TensorRT for RTX, whose
/// versions are counted apart, are the ones of TensorRT 11 since 1.7 at the latest.
bool headers_fit(const Bundle& bundle, const Version& version) {
    const bool rtx = bundle.tensorrt.library == "tensorrt_rtx";
#ifdef TRT_MAJOR_RTX
    return rtx && version[0] == TRT_MAJOR_RTX && version[1] == TRT_MINOR_RTX;
#else
    if (rtx) return NV_TENSORRT_MAJOR == 11 && version[0] == 1 && version[1] >= 7;
    return version[0] == NV_TENSORRT_MAJOR;
#endif
}

void check_headers(const Bundle& bundle, const Version& version) {
    if (headers_fit(bundle, version)) return;
#ifdef TRT_MAJOR_RTX
    const std::string found = text("TensorRT for RTX ", TRT_MAJOR_RTX, '.', TRT_MINOR_RTX);
#else
    const std::string found = text("TensorRT ", NV_TENSORRT_MAJOR, '.', NV_TENSORRT_MINOR);
#endif
    const bool rtx = bundle.tensorrt.library == "tensorrt_rtx";
    throw Error(text(bundle.directory, " needs ", title(bundle), ", and this build of the library ",
                     "was compiled with the headers of ", found, ", whose classes are laid out ",
                     "otherwise; rebuild it with the headers of ", title(bundle),
                     rtx ? " or TensorRT 11" : "", " (-DTENSORRT_INCLUDE_DIR=...)"));
}

void* open(const Bundle& bundle, const Version& version) {
    const bool rtx = bundle.tensorrt.library == "tensorrt_rtx";
    const std::string file = text(rtx ? "libtensorrt_rtx.so." : "libnvinfer.so.", version[0]);
    if (void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    const std::string reason = dlerror();
    const char* path = std::getenv("LD_LIBRARY_PATH");
    const std::string where =
        rtx ? text("`pip install tensorrt-rtx-cu12==", bundle.version(bundle.tensorrt.library),
                   "` puts it into site-packages/tensorrt_rtx_libs")
            : "NVIDIA's packages libnvinfer or tensorrt hold it";
    throw Error(text(bundle.directory, " needs ", title(bundle), ", which cannot be opened: ",
                     reason, "; it was looked for in LD_LIBRARY_PATH (", path ? path : "not set",
                     ") and the system's library folders: install it (", where,
                     ") and put its folder into LD_LIBRARY_PATH"));
}

template <typename Function>
Function* symbol(void* library, const char* name) {
    if (void* address = dlsym(library, name)) return reinterpret_cast<Function*>(address);
    throw Error(text("the TensorRT library that was opened has no function ", name));
}

Version version_of(void* library) {
    Version version{};
    const char* const parts[] = {"Major", "Minor", "Patch", "Build"};
    for (std::size_t i = 0; i < version.size(); ++i)
        version[i] =
            symbol<std::int32_t()>(library, text("getInferLib", parts[i], "Version").c_str())();
    return version;
}

/// Older packages of TensorRT name no build number.
bool same(const Version& expected, const Version& found) {
    for (std::size_t i = 0; i < expected.size(); ++i)
        if (expected[i] != -1 && expected[i] != found[i]) return false;
    return true;
}

}  // namespace

void TensorRtLogger::log(Severity severity, const char* message) noexcept {
    if (severity > Severity::kERROR) return;
    const std::lock_guard lock(mutex_);
    last_error_ = message;
}

std::string TensorRtLogger::last_error() const {
    const std::lock_guard lock(mutex_);
    return last_error_;
}

TensorRtLibrary::TensorRtLibrary(const Bundle& bundle) {
    const Version expected = parse_version(bundle.version(bundle.tensorrt.library));
    check_headers(bundle, expected);
    handle_ = open(bundle, expected);
    if (const Version found = version_of(handle_); !same(expected, found))
        throw Error(text(bundle.directory, " needs ", title(bundle), ", the version that it was ",
                         "built with, but ", found[0], '.', found[1], '.', found[2], '.', found[3],
                         " was found; put the folder of that version first into LD_LIBRARY_PATH, ",
                         "or rebuild the bundle"));
}

std::unique_ptr<nvinfer1::IRuntime> TensorRtLibrary::create_runtime(TensorRtLogger& logger) const {
    const auto version = symbol<std::int32_t()>(handle_, "getInferLibVersion");
    const auto create = symbol<void*(void*, std::int32_t)>(handle_, "createInferRuntime_INTERNAL");
    auto* runtime = static_cast<nvinfer1::IRuntime*>(create(&logger, version()));
    if (!runtime) throw Error(text("TensorRT does not start: ", logger.last_error()));
    return std::unique_ptr<nvinfer1::IRuntime>(runtime);
}

}  // namespace ltp
