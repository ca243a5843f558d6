// Messages reach the logger of the library that loaded the plugin, unless that has loggers of
// another kind. The arguments: a fake library with loggers as the headers describe them, and one
// with the other kind.
#include "log.h"

#include <dlfcn.h>

#include "../plugins/check.h"

namespace {

template <class Function>
Function* symbol(const char* library, const char* name) {
    return reinterpret_cast<Function*>(dlsym(dlopen(library, RTLD_NOW), name));
}

/// What the library's logger holds after the plugin said `message`.
std::string logged(const char* library, const char* message) {
    auto* finder = static_cast<nvinfer1::ILoggerFinder*>(symbol<void*()>(library, "new_finder")());
    ltp::tensorrt::set_logger_finder(finder);
    ltp::tensorrt::log_error(message);
    return symbol<const char*()>(library, "last")();
}

}  // namespace

int main(int, char** argv) {
    CHECK(logged(argv[1], "first") == "LtpPrunedAttention: first", "not in the logger");
    CHECK(logged(argv[2], "second").empty(), "a logger of the other kind was called");
    CHECK(std::string(symbol<const char*()>(argv[1], "last")()) == "LtpPrunedAttention: first",
          "the old logger");
    ltp::tensorrt::set_logger_finder(nullptr);
    ltp::tensorrt::log_error("third");
    CHECK(std::string(symbol<const char*()>(argv[1], "last")()) == "LtpPrunedAttention: first",
          "the old logger");
    return test::report("log");
}
