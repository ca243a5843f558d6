// The JSON reader: every kind of value, and what RFC 8259 forbids.
#include "json.h"

#include "refused.h"

using ltp::json::parse;

namespace {

void values() {
    const auto v =
        parse(R"( {"a": [1, -2.5e2, 0], "b": {"c": true, "d": false}, "e": null, "": "x"} )");
    CHECK(v["a"].array().size() == 3, "size");
    CHECK(v["a"].array()[0].integer() == 1, "integer");
    CHECK(v["a"].array()[1].number() == -250, "number");
    CHECK(v["b"]["c"].boolean() && !v["b"]["d"].boolean(), "booleans");
    CHECK(v["e"].is_null() && !v.has("e") && !v.has("z") && v.has("b"), "null and missing");
    CHECK(v[""].string() == "x", "empty key");
    CHECK(parse("[]").array().empty() && parse("{}").object().empty(), "empty");
    CHECK(parse("9007199254740991").number() == 9007199254740991.0, "2^53 - 1");
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
                             "tru",
                             "True",
                             "nul",
                             "1 2",
                             "[1] x",
                             "// c\n1",
                             "{\"a\":1,\"a\":2}",
                             "\xEF\xBB\xBF{}"})
        CHECK(!test::refusal<ltp::json::Error>([&] { parse(text); }).empty(), "accepted:", text);
    CHECK_REFUSED(parse("[1, x]"), "at byte 4");
    CHECK_REFUSED(parse(std::string(100000, '[')), "nested too deeply");
}

void wrong_kinds() {
    const auto v = parse(R"({"n": 1.5, "big": 3e9, "s": "x", "l": [1]})");
    CHECK_REFUSED(v["n"].integer(), "`n` is not an integer");
    CHECK_REFUSED(v["big"].integer(), "`big` is not an integer");
    CHECK_REFUSED(v["s"].boolean(), "`s` is not true or false");
    CHECK_REFUSED(v["l"].array()[0].string(), "is not a string");
    CHECK_REFUSED(v["l"]["x"], "`l` is not an object");
    CHECK_REFUSED(v["missing"], "it has no `missing`");
}

}  // namespace

int main() {
    values();
    strings();
    malformed();
    wrong_kinds();
    return test::report("json");
}
