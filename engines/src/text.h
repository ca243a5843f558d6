#pragma once

#include <sstream>
#include <string>

namespace ltp {

/// The arguments, as a stream prints them, in one string.
template <typename... Parts>
std::string text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

}  // namespace ltp
