// CHECK that something is refused, with a message that names the cause.
#pragma once

#include <string>

#include "../plugins/check.h"
#include "ltp/engine.h"

namespace test {

/// The message of the Exception that `action` throws; "" if it throws none.
template <class Exception = ltp::Error, class Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const Exception& error) {
        return error.what();
    }
    return "";
}

}  // namespace test

#define CHECK_REFUSED(action, words)                                                               \
    do {                                                                                           \
        const std::string found_ = test::refusal([&] { action; });                                 \
        CHECK(found_.find(words) != std::string::npos, "found '", found_, "' instead of '", words, \
              "'");                                                                                \
    } while (false)
