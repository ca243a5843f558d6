// The words of JSON Schema that the schema of manifests has, one by one, and where each refuses.
#include "schema.h"

#include "refused.h"

namespace {

using ltp::Schema;
using ltp::json::parse;

/// What a schema says of a document: "" where it accepts it.
std::string verdict(const std::string& schema, const std::string& document) {
    return test::refusal([&] {
        Schema(schema).check(parse(document), [](const std::string&, const ltp::json::Value&) {});
    });
}

void accepted(const std::string& schema, const std::vector<std::string>& documents) {
    for (const std::string& document : documents)
        CHECK(verdict(schema, document).empty(), schema, document, verdict(schema, document));
}

void refused(const std::string& schema, const std::vector<std::string>& documents,
             const std::string& words) {
    for (const std::string& document : documents) {
        const std::string found = verdict(schema, document);
        CHECK(found.find(words) != found.npos, schema, document, "found", found, "not", words);
    }
}

void types() {
    const std::vector<std::pair<std::string, std::vector<std::string>>> all = {
        {"null", {"null"}},
        {"boolean", {"true", "false"}},
        {"integer", {"0", "-9223372036854775808", "9223372036854775807"}},
        {"number", {"1.5", "-2e300", "9223372036854775808", "1e-400"}},
        {"string", {R"("")", R"("x")"}},
        {"array", {"[]", "[1]"}},
        {"object", {"{}", R"({"a": 1})"}}};
    for (const auto& [type, examples] : all)
        for (const auto& [other, documents] : all) {
            const std::string schema = R"({"type": ")" + type + "\"}";
            if (type == other || (type == "number" && other == "integer"))
                accepted(schema, documents);
            else
                refused(schema, documents, " is not ");
        }
}

void objects() {
    const std::string schema = R"({"properties": {"a": {"type": "string"}}, "required": ["a"],
                                   "additionalProperties": )";
    accepted(schema + "false}", {R"({"a": "x"})"});
    refused(schema + "false}", {"{}"}, "it has no `a`");
    refused(schema + "false}", {R"({"a": "x", "b": 1})"}, "it has an unknown entry `b`");
    refused(schema + "false}", {R"({"a": null})"}, "`a` is not a string, but null");
    accepted(schema + R"({"type": "integer"}})", {R"({"a": "x", "b": 1})"});
    refused(schema + R"({"type": "integer"}})", {R"({"a": "x", "b": "x"})"}, "`b` is not an integ");
    accepted(R"({"properties": {"a": {"type": "string"}}})", {"{}", R"({"b": 1})"});
}

void choices() {
    const std::string schema = R"({"items": {"anyOf": [{"type": "null"}, {"enum": ["", "x"]}]}})";
    accepted(schema, {"[]", R"([null, "x", ""])"});
    refused(schema, {R"([null, "y"])", "[null, 1]", "[null, {}]"}, "`[1]` is not one of \"\", x,");
    const std::string conditional = R"({"allOf": [
        {"if": {"properties": {"kind": {"enum": ["number"]}}},
         "then": {"properties": {"value": {"type": "number"}}}},
        {"if": {"properties": {"kind": {"enum": ["text"]}}},
         "then": {"properties": {"value": {"type": "string"}}}}]})";
    accepted(conditional, {R"({"kind": "text", "value": "x"})", R"({"kind": "?", "value": []})"});
    refused(conditional, {R"({"kind": "text", "value": 1})"}, "`value` is not a string, but 1");
}

/// Each name once, and none of a choice that was not taken.
void formats() {
    const Schema schema(R"({"$ref": "#/$defs/Files", "$defs": {
        "Name": {"type": "string", "format": "file"},
        "Files": {"items": {"anyOf": [
            {"properties": {"name": {"$ref": "#/$defs/Name"}, "size": {"type": "integer"}}},
            {"properties": {"name": {"type": "string"}}},
            {"$ref": "#/$defs/Name"}]}}}})");
    std::string found;
    schema.check(parse(R"([{"name": "a", "size": 1}, {"name": "b", "size": "?"}, "c"])"),
                 [&](const std::string& format, const ltp::json::Value& value) {
                     found += format + ' ' + value.name() + ' ' + value.string() + '\n';
                 });
    CHECK(found == "file [0].name a\nfile [2] c\n", found);
}

}  // namespace

int main() {
    types();
    objects();
    choices();
    formats();
    return test::report("schema");
}
