/// A strict JSON (RFC 8259) reader, for manifests: small, so that a build needs OpenVINO only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ltp/engine.h"

namespace ltp::json {

/// A malformed document, or a value that is missing or of another kind than expected.
class Error : public ltp::Error {
public:
    using ltp::Error::Error;
};

/// A JSON value. Accessors throw Error when the value is missing or of another kind.
class Value {
public:
    using Array = std::vector<Value>;
    using Object = std::map<std::string, Value, std::less<>>;

    Value() = default;  // null
    template <typename T>
    explicit Value(T data) : data_(std::move(data)) {}

    bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
    bool boolean() const { return get<bool>("true or false"); }
    const std::string& string() const { return get<std::string>("a string"); }
    const Array& array() const { return get<Array>("an array"); }
    const Object& object() const { return get<Object>("an object"); }
    double number() const { return get<double>("a number"); }
    int integer() const;

    /// A member of an object; its name is part of later error messages.
    const Value& operator[](std::string_view key) const;
    /// Whether an object has this member and it is not null.
    bool has(std::string_view key) const;

private:
    template <typename T>
    const T& get(const char* kind) const {
        if (const T* value = std::get_if<T>(&data_)) return *value;
        wrong_kind(kind);
    }
    [[noreturn]] void wrong_kind(const char* kind) const;

    std::variant<std::monostate, bool, double, std::string, Array, Object> data_;
    std::string name_ = "value";  // for messages
    friend class Parser;
};

/// Reads one JSON document. Throws Error with the byte where it is malformed.
Value parse(std::string_view document);

}  // namespace ltp::json
