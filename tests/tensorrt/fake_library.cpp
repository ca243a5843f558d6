// Looks like TensorRT's library to the plugin's logging: a version, and a finder of a logger.
#include <NvInferRuntime.h>

#include <string>
#include <type_traits>

namespace {

std::string last_message;

class Logger : public nvinfer1::ILogger {
    void log(Severity, const char* message) noexcept override { last_message = message; }
};

class Finder : public nvinfer1::ILoggerFinder {
    nvinfer1::ILogger* findLogger() override {
        static Logger logger;
        return &logger;
    }
};

/// A finder's table of virtual functions as seen by those who expect the other kind: any call ends
/// the program.
struct NotAFinder {
    [[noreturn]] virtual void a() { std::abort(); }
    [[noreturn]] virtual void b() { std::abort(); }
    [[noreturn]] virtual void c() { std::abort(); }
    [[noreturn]] virtual void d() { std::abort(); }
    [[noreturn]] virtual void e() { std::abort(); }
    virtual ~NotAFinder() = default;
};

constexpr bool versioned =
    std::is_base_of_v<nvinfer1::IVersionedInterface, nvinfer1::ILoggerFinder>;

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

#ifdef OTHER_LOGGERS
EXPORT int getInferLibVersion() { return versioned ? 100001 : 10701; }
EXPORT void* new_finder() {
    static NotAFinder finder;
    return &finder;
}
#else
EXPORT int getInferLibVersion() { return versioned ? 10701 : 101600; }
EXPORT void* new_finder() {
    static Finder finder;
    return &finder;
}
#endif

EXPORT const char* last() { return last_message.c_str(); }
