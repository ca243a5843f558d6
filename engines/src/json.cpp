#include "json.h"

#include <cmath>
#include <limits>

#include "text.h"

namespace ltp::json {

int Value::integer() const {
    const double value = number();
    using Limits = std::numeric_limits<int>;
    if (value != std::floor(value) || value < Limits::min() || value > Limits::max())
        wrong_kind("an integer");
    return static_cast<int>(value);
}

const Value& Value::operator[](std::string_view key) const {
    const Object& members = object();
    const auto found = members.find(key);
    if (found == members.end()) throw Error(text("it has no `", key, "`"));
    return found->second;
}

bool Value::has(std::string_view key) const {
    const auto found = object().find(key);
    return found != object().end() && !found->second.is_null();
}

void Value::wrong_kind(const char* kind) const { throw Error(text("`", name_, "` is not ", kind)); }

}  // namespace ltp::json
