/// Strict reading of JSON documents such as manifests, with errors that say where a value stands.
/// The parser is nlohmann/json's; only json.cpp includes all of it, which takes long to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ltp/engine.h"

namespace ltp::json {

/// A malformed document, or a value that is missing or of another kind than expected.
class Error : public ltp::Error {
public:
    using ltp::Error::Error;
};

/// A JSON value. Accessors throw Error where the value is missing or of another kind. The document
/// lives as long as any of its values, and so do the strings that string() refers to.
class Value {
public:
    /// Its place, such as "model.labels[2]"; empty for the document itself.
    const std::string& name() const { return name_; }
    bool is_null() const;
    bool is_string() const;
    bool is_object() const;
    bool boolean() const;
    const std::string& string() const;
    std::int64_t integer() const;  ///< of 64 bits
    /// An integer from `least` to `most`.
    std::int64_t integer(std::int64_t least, std::int64_t most) const;
    /// An int, at least `least`.
    int number(int least) const;
    double real() const;  ///< of any number
    std::vector<Value> array() const;
    std::vector<std::string> strings() const;                    ///< of an array of strings
    std::vector<std::pair<std::string, Value>> members() const;  ///< of an object
    /// A string that is one of these.
    const std::string& one_of(const std::vector<std::string>& names) const;

    /// A member of an object.
    Value operator[](std::string_view key) const;
    /// Whether an object has this member, even if it is null.
    bool has(std::string_view key) const;

private:
    friend Value parse(std::string_view document);

    /// `value` also keeps the document alive that it is a part of.
    Value(std::shared_ptr<const nlohmann::json> value, std::string name)
        : value_(std::move(value)), name_(std::move(name)) {}
    Value part(const nlohmann::json& value, std::string name) const;
    bool is_integer() const;  // of 64 bits
    const nlohmann::json& object() const;
    [[noreturn]] void wrong_kind(std::string_view expected) const;

    std::shared_ptr<const nlohmann::json> value_;
    std::string name_;
};

/// Reads one JSON document (RFC 8259) in UTF-8, without a byte order mark. Throws Error with the
/// place where it is malformed, where an object has a key twice, or where values nest more than 100
/// deep. Python's `ltp_deploy.bundle.document` refuses the same.
Value parse(std::string_view document);

}  // namespace ltp::json
