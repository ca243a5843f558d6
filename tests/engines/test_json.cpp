// The JSON reader: every kind of value, and what RFC 8259 forbids.
#include "json.h"

#include <cstdint>

#include "refused.h"

using ltp::json::parse;

namespace {

void values() {
    const auto v =
        parse(R"( {"a": [1, -2, 0], "b": {"c": true, "d": false}, "e": null, "": "x"} )");
    CHECK(v["a"].array().size() == 3, "size");
    CHECK(v["a"].array()[1].integer(-2, 9) == -2 && v["a"].array()[0].number(1) == 1, "integers");
    CHECK(v["a"].array()[1].real() == -2 && parse("2.5e-3").real() == 0.0025, "reals");
    CHECK(v["b"]["c"].boolean() && !v["b"]["d"].boolean(), "booleans");
    CHECK(v["e"].is_null() && v.has("e") && !v.has("z") && v.has("b"), "null and missing");
    CHECK(v[""].string() == "x", "empty key");
    CHECK(parse("[]").array().empty() && parse("{}").members().empty(), "empty");
    CHECK(parse("9223372036854775807").integer(0, INT64_MAX) == INT64_MAX, "2^63 - 1");
    CHECK(parse(R"(["a", "b"])").strings() == std::vector<std::string>({"a", "b"}), "strings");
    const auto members = parse(R"({"a.b": {"c": 1}, "d": 2})").members();
    CHECK(members.size() == 2 && members[0].first == "a.b", "members");
    CHECK(members[0].second["c"].number(0) == 1 && members[1].second.number(0) == 2, "members");
}

/// A value and the strings in it outlive the other values of their document.
void lifetimes() {
    const auto part = [] { return parse(R"({"a": {"b": ["a string too long for the stack"]}})"); };
    const auto value = part()["a"]["b"].array()[0];
    CHECK(value.string() == "a string too long for the stack", value.string());
}

void strings() {
    CHECK(parse(R"("\"\\\/\b\f\n\r\t")").string() == "\"\\/\b\f\n\r\t", "escapes");
    CHECK(parse(R"("\u0041\u00e9\u20AC\ud83d\ude00")").string() == "Aé€😀", "code points");
    CHECK(parse("\"é😀\"").string() == "é😀", "UTF-8 as it is");
    CHECK(parse(R"("a\u0000b")").string() == std::string("a\0b", 3), "NUL");
}

void malformed() {
    for (const char* text : {"",
                             " ",
                             "{",
                             "[",
                             "[1",
                             "[1,",
                             "[1,]",
                             "[,1]",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "{a:1}",
                             "{'a':1}",
                             "\"",
                             "\"a",
                             "\"\\",
                             "\"\\x\"",
                             "\"\\u12\"",
                             "\"\\u12g4\"",
                             "\"\\u-123\"",
                             "\"\\ud800\"",
                             "\"\\ud800\\u0041\"",
                             "\"\\udc00\"",
                             "\"\n\"",
                             "01",
                             "-",
                             "+1",
                             ".5",
                             "1.",
                             "1e",
                             "1e999",
                             "0x10",
                             "NaN",
                             "Infinity",
                             "-Infinity",
                             "\xef\xbb\xbf{}",
                             "tru",
                             "True",
                             "nul",
                             "1 2",
                             "[1] x",
                             "// c\n1",
                             "{\"a\":1,\"a\":2}",
                             "{\"b\":{\"a\":1,\"\\u0061\":2}}",
                             "[{\"a\":1},{\"a\":1,\"a\":1}]",
                             "\"\xFF\"",
                             "\"\xC0\x80\"",
                             "\"\xED\xA0\x80\"",
                             "{\"\xE9\":1}",
                             "\xFF\xFE{"})
        CHECK(!test::refusal<ltp::json::Error>([&] { parse(text); }).empty(), "accepted:", text);
    CHECK_REFUSED(parse("[1, x]"), "line 1, column 5");
    CHECK_REFUSED(parse("{\"a\": {\"b\": 1, \"b\": 1}}"), "the key `b` stands twice");
    for (const char* open : {"[", "{\"a\":", "[{\"a\":"}) {
        std::string document;
        for (int i = 0; i < 100000; ++i) document += open;
        CHECK_REFUSED(parse(document), "nested too deeply");
    }
    const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    parse(nested(100));
    CHECK_REFUSED(parse(nested(101)), "nested too deeply");
    parse(R"({"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]})");  // no key twice
}

void wrong_kinds() {
    const auto v = parse(R"({"n": 1.5, "big": 3e9, "s": "x", "l": [1, {"k": [true]}],
                             "u": 18446744073709551615, "huge": 123456789012345678901234567890})");
    const auto number = [](const ltp::json::Value& value) { return value.number(0); };
    CHECK_REFUSED(number(v["n"]), "`n` is not an integer from 0 to 2147483647, but 1.5");
    CHECK_REFUSED(number(v["big"]), "`big` is not an integer");
    CHECK_REFUSED(v["u"].integer(INT64_MIN, INT64_MAX), "`u` is not an integer");
    CHECK_REFUSED(v["huge"].integer(INT64_MIN, INT64_MAX), "`huge` is not an integer");
    CHECK_REFUSED(v["l"].array()[0].integer(2, 3), "`l[0]` is not an integer from 2 to 3, but 1");
    CHECK_REFUSED(number(parse("2147483648")), "the document is not an integer");
    CHECK_REFUSED(v["s"].boolean(), "`s` is not true or false, but \"x\"");
    CHECK_REFUSED(v["l"].array()[0].string(), "`l[0]` is not a string, but 1");
    CHECK_REFUSED(v["l"].array()[1]["k"].strings(), "`l[1].k[0]` is not a string, but boolean");
    CHECK_REFUSED(v["l"]["x"], "`l` is not an object, but array");
    CHECK_REFUSED(v["s"].array(), "`s` is not an array");
    CHECK_REFUSED(v["l"].members(), "`l` is not an object");
    CHECK_REFUSED(v["l"].has("x"), "`l` is not an object");
    CHECK_REFUSED(v["missing"], "it has no `missing`");
    CHECK_REFUSED(v["l"].array()[1]["missing"], "it has no `l[1].missing`");
}

}  // namespace

int main() {
    values();
    lifetimes();
    strings();
    malformed();
    wrong_kinds();
    return test::report("json");
}
