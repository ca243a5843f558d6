// The smallest possible test harness: CHECK counts failures and prints what was found.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace test {

inline int failures = 0;

/// Counts a failed CHECK and prints the first of a run; a broken kernel would otherwise print
/// millions. Apart from the place of the CHECK, or compilers would spend most of a test's time on
/// its messages.
template <class... Parts>
[[gnu::noinline, gnu::cold]] void fail(const char* file, int line, const char* condition,
                                       Parts... parts) {
    if (++failures > 20) return;
    std::ostringstream message;
    message << condition << ": ";
    ((message << parts << ' '), ...);
    std::fprintf(stderr, "%s:%d: %s\n", file, line, message.str().c_str());
    if (std::getenv("LTP_STOP_AT_FAILURE")) std::exit(EXIT_FAILURE);
}

inline int report(const char* name) {
    std::printf("%s: %s (%d failures)\n", name, failures ? "FAILED" : "passed", failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace test

/// CHECK(condition, what, to, print, if, it, fails)
#define CHECK(condition, ...)                                                        \
    do {                                                                             \
        if (!(condition)) ::test::fail(__FILE__, __LINE__, #condition, __VA_ARGS__); \
    } while (false)
