// Characters of UTF-8, and those that are refused.
#include "characters.h"

#include "refused.h"
#include "toy_bundle.h"

namespace {

const ltp::RefusedCharacters kNone;

void refused_at(const std::string& text, int byte) {
    const std::string words =
        "sequence 7: byte " + std::to_string(byte) + " begins no character of UTF-8; convert";
    CHECK_REFUSED(kNone.check(text, 7), words);
}

void valid() {
    kNone.check("", 0);
    kNone.check(std::string("a\0b\x7F", 4), 0);
    kNone.check("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF", 0);
    kNone.check("\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF", 0);
}

void invalid() {
    refused_at("ab\x80", 2);     // no beginning
    refused_at("\xE9t\xE9", 0);  // Latin-1
    refused_at("a\xC3", 1);      // cut off
    refused_at("a\xE2\x82", 1);
    refused_at("a\xF0\x9F\x98", 1);
    refused_at("\xC3\x28", 0);  // no continuation
    refused_at("\xE2\x82\xC2", 0);
    refused_at("\xC0\x80", 0);  // longer than needed
    refused_at("\xC1\xBF", 0);
    refused_at("\xE0\x9F\xBF", 0);
    refused_at("\xF0\x8F\xBF\xBF", 0);
    refused_at("\xED\xA0\x80", 0);  // a surrogate
    refused_at("\xED\xBF\xBF", 0);
    refused_at("\xF4\x90\x80\x80", 0);  // beyond Unicode
    refused_at("\xF5\x80\x80\x80", 0);
    refused_at("\xFF", 0);
}

void refused() {
    test::ToyBundle folder;
    folder.put("refused", "3c2 3c2\n4e00 4eff\n40000 dffff\n");
    const auto read = [&] {
        return ltp::RefusedCharacters(ltp::MappedFile(folder.path / "refused"));
    };
    const ltp::RefusedCharacters some = read();
    some.check("\xCF\x81 \xCF\x83 \xE4\xBC\x80", 0);  // U+03C1, U+03C3, U+4F00
    CHECK_REFUSED(some.check("a \xCF\x82", 3), "sequence 3: byte 2 begins the character U+03C2");
    CHECK_REFUSED(some.check("\xE4\xB8\x80", 0), "U+4E00");
    CHECK_REFUSED(some.check("\xE4\xBB\xBF", 0), "U+4EFF");
    CHECK_REFUSED(some.check("\xF3\x9F\xBF\xBF", 0), "U+DFFFF");
    folder.put("refused", "");
    read().check("\xCF\x82", 0);
    for (const char* content : {"3c2", "3c2 x\n", "some words\n"}) {
        folder.put("refused", content);
        CHECK_REFUSED(read(), "is no list of");
    }
}

}  // namespace

int main() {
    valid();
    invalid();
    refused();
    return test::report("characters");
}
