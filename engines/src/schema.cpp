#include "schema.h"

#include <stdexcept>

#include "text.h"

namespace ltp {
namespace {

using json::Value;

void check_type(const Value& value, const std::string& type) {
    if (type == "null" && !value.is_null())
        throw json::Error(text('`', value.name(), "` is not null"));
    else if (type == "boolean")
        value.boolean();
    else if (type == "integer")
        value.integer();
    else if (type == "number")
        value.real();
    else if (type == "string")
        value.string();
    else if (type == "array")
        value.array();
    else if (type == "object")
        value.members();
}

}  // namespace

void Schema::check(const Value& value, const Value& schema, const Formats& formats) const {
    if (schema.has("$ref")) {
        const std::string place = "#/$defs/", &reference = schema["$ref"].string();
        return check(value, root_["$defs"][reference.substr(place.size())], formats);
    }
    if (schema.has("anyOf")) check_any(value, schema["anyOf"], formats);
    if (schema.has("type")) check_type(value, schema["type"].string());
    if (schema.has("enum")) value.one_of(schema["enum"].strings());
    if (schema.has("format")) formats(schema["format"].string(), value);
    if (schema.has("items"))
        for (const Value& item : value.array()) check(item, schema["items"], formats);
    if (schema.has("properties") || schema.has("additionalProperties"))
        check_object(value, schema, formats);
    if (schema.has("allOf"))
        for (const Value& part : schema["allOf"].array())
            if (accepts(value, part["if"])) check(value, part["then"], formats);
}

/// Where all choices refuse it, the last one says why.
void Schema::check_any(const Value& value, const Value& choices, const Formats& formats) const {
    const std::vector<Value> all = choices.array();
    std::size_t i = 0;
    while (i + 1 < all.size() && !accepts(value, all[i])) ++i;
    check(value, all[i], formats);
}

void Schema::check_object(const Value& value, const Value& schema, const Formats& formats) const {
    if (schema.has("required"))
        for (const std::string& key : schema["required"].strings()) value[key];
    const bool more = schema.has("additionalProperties");
    for (const auto& [key, member] : value.members())
        if (schema.has("properties") && schema["properties"].has(key))
            check(member, schema["properties"][key], formats);
        else if (more && schema["additionalProperties"].is_object())
            check(member, schema["additionalProperties"], formats);
        else if (more)
            throw json::Error(text("it has an unknown entry `", member.name(), '`'));
}

bool Schema::accepts(const Value& value, const Value& schema) const {
    try {
        check(value, schema, [](const std::string&, const Value&) {});
        return true;
    } catch (const json::Error&) {
        return false;
    }
}

}  // namespace ltp
