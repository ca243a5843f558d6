/// Checks JSON documents against a JSON Schema (json-schema.org, 2020-12).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "json.h"

namespace ltp {

/// A schema in the part of the language that the one of manifests is written in, with these
/// meanings: `$ref` to a definition in `$defs`, which then stands alone; `type`, where an integer
/// is written without a point and has 64 bits; `enum` of strings; `anyOf`; `allOf` of `if` and
/// `then`; `properties`, `required`, `additionalProperties` and `items`.
class Schema {
public:
    /// Told of each value for which the schema has a `format`, and of that.
    using Formats = std::function<void(const std::string& format, const json::Value& value)>;

    explicit Schema(std::string_view schema) : root_(json::parse(schema)) {}

    /// Throws json::Error with the place of what the schema refuses.
    void check(const json::Value& document, const Formats& formats) const {
        check(document, root_, formats);
    }

private:
    void check(const json::Value& value, const json::Value& schema, const Formats& formats) const;
    void check_any(const json::Value& value, const json::Value& choices,
                   const Formats& formats) const;
    void check_object(const json::Value& value, const json::Value& schema,
                      const Formats& formats) const;
    bool accepts(const json::Value& value, const json::Value& schema) const;

    const json::Value root_;
};

}  // namespace ltp
