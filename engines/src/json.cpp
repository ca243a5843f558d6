#include "json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "text.h"

namespace ltp::json {
namespace {

using Document = nlohmann::json;

constexpr int max_depth = 100;

/// What the parser accepts and a manifest may not have. It is told of every step of parsing.
class Strictness {
public:
    bool operator()(int depth, Document::parse_event_t event, const Document& parsed) {
        using Event = Document::parse_event_t;
        const bool opens = event == Event::object_start || event == Event::array_start;
        if (opens && depth >= max_depth) throw Error("values are nested too deeply");
        if (event == Event::object_start) keys_.emplace_back();
        if (event == Event::object_end) keys_.pop_back();
        if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second)
            throw Error(text("the key `", parsed.get<std::string>(), "` stands twice"));
        return true;
    }

private:
    std::vector<std::set<std::string>> keys_;  // of the objects that are not complete yet
};

/// Without the "[json.exception.parse_error.101] " that the library's messages begin with, and
/// without the bytes that it read last, which may be no text; never long.
std::string message(const Document::exception& error) {
    std::string_view what = error.what(), end = "] ";
    if (const std::size_t at = what.find(end); at != what.npos) what.remove_prefix(at + end.size());
    constexpr std::size_t most = 200;
    return std::string(what.substr(0, std::min(what.find("; last read"), most)));
}

/// A number or a string in short, for messages; of anything else its type.
std::string description(const Document& value) {
    if (value.is_string()) return text('"', value.get_ref<const std::string&>(), '"');
    if (value.is_number_unsigned()) return text(value.get<std::uint64_t>());
    if (value.is_number_integer()) return text(value.get<std::int64_t>());
    if (value.is_number()) return text(value.get<double>());
    return value.type_name();
}

}  // namespace

bool Value::is_null() const { return value_->is_null(); }

bool Value::is_string() const { return value_->is_string(); }

bool Value::is_object() const { return value_->is_object(); }

bool Value::boolean() const {
    if (!value_->is_boolean()) wrong_kind("true or false");
    return value_->get<bool>();
}

const std::string& Value::string() const {
    if (!value_->is_string()) wrong_kind("a string");
    return value_->get_ref<const std::string&>();
}

std::int64_t Value::integer() const {
    if (!is_integer()) wrong_kind("an integer");
    return value_->get<std::int64_t>();
}

std::int64_t Value::integer(std::int64_t least, std::int64_t most) const {
    const std::int64_t value = is_integer() ? value_->get<std::int64_t>() : 0;
    if (!is_integer() || value < least || value > most)
        wrong_kind(text("an integer from ", least, " to ", most));
    return value;
}

int Value::number(int least) const {
    return static_cast<int>(integer(least, std::numeric_limits<int>::max()));
}

double Value::real() const {
    if (!value_->is_number()) wrong_kind("a number");
    return value_->get<double>();
}

std::vector<Value> Value::array() const {
    if (!value_->is_array()) wrong_kind("an array");
    std::vector<Value> items;
    for (const Document& item : *value_)
        items.push_back(part(item, name_ + '[' + std::to_string(items.size()) + ']'));
    return items;
}

std::vector<std::string> Value::strings() const {
    std::vector<std::string> strings;
    for (const Value& item : array()) strings.push_back(item.string());
    return strings;
}

std::vector<std::pair<std::string, Value>> Value::members() const {
    std::vector<std::pair<std::string, Value>> members;
    for (const auto& [key, value] : object().items()) members.emplace_back(key, (*this)[key]);
    return members;
}

const std::string& Value::one_of(const std::vector<std::string>& names) const {
    if (value_->is_string() && std::count(names.begin(), names.end(), string())) return string();
    std::string list;
    for (const std::string& name : names)
        list += text(list.empty() ? "" : ", ", name.empty() ? "\"\"" : name);
    wrong_kind(text("one of ", list));
}

Value Value::operator[](std::string_view key) const {
    std::string name = name_.empty() ? std::string() : name_ + '.';
    name += key;
    const auto found = object().find(key);
    if (found == value_->end()) throw Error(text("it has no `", name, "`"));
    return part(*found, std::move(name));
}

bool Value::has(std::string_view key) const { return object().contains(key); }

Value Value::part(const Document& value, std::string name) const {
    return {std::shared_ptr<const Document>(value_, &value), std::move(name)};
}

bool Value::is_integer() const {
    return value_->is_number_unsigned()
               ? value_->get<std::uint64_t>() <=
                     std::uint64_t{std::numeric_limits<std::int64_t>::max()}
               : value_->is_number_integer();
}

const Document& Value::object() const {
    if (!value_->is_object()) wrong_kind("an object");
    return *value_;
}

void Value::wrong_kind(std::string_view expected) const {
    throw Error(text(name_.empty() ? "the document" : text('`', name_, '`'), " is not ", expected,
                     ", but ", description(*value_)));
}

Value parse(std::string_view document) {
    // The library skips the one, and takes the other for the end.
    if (document.substr(0, 3) == "\xEF\xBB\xBF") throw Error("it begins with a byte order mark");
    if (document.find('\0') != document.npos) throw Error("it holds a NUL byte");
    try {
        return {std::make_shared<const Document>(Document::parse(document, Strictness())), ""};
    } catch (const Document::exception& error) {
        throw Error(message(error));
    }
}

}  // namespace ltp::json
