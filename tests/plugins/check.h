// The smallest possible test harness: CHECK counts failures and prints what was found.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace test {

inline int failures = 0;

/// Prints the first failures of a run; a broken kernel would otherwise print millions.
inline void fail(const char* file, int line, const std::string& what) {
    if (++failures <= 20) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

inline int report(const char* name) {
    std::printf("%s: %s (%d failures)\n", name, failures ? "FAILED" : "passed", failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace test

/// CHECK(condition, what, to, print, if, it, fails)
#define CHECK(condition, ...)                                                     \
    do {                                                                          \
        if (!(condition)) {                                                       \
            std::ostringstream message_;                                          \
            test::print(message_ << #condition << ": ", __VA_ARGS__);             \
            test::fail(__FILE__, __LINE__, message_.str());                       \
        }                                                                         \
    } while (false)

namespace test {

template <class... Parts>
void print(std::ostream& out, const Parts&... parts) {
    ((out << parts << ' '), ...);
}

}  // namespace test
