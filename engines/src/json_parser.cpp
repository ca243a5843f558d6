#include <charconv>
#include <cstdint>
#include <locale>
#include <sstream>

#include "json.h"
#include "text.h"

namespace ltp::json {

class Parser {
public:
    explicit Parser(std::string_view document) : in_(document) {}

    Value document() {
        Value value = this->value(0);
        skip_space();
        if (at_ != in_.size()) fail("text after the end of the document");
        return value;
    }

private:
    static constexpr int max_depth = 100;  // a deeper document would overflow the stack

    Value value(int depth) {
        if (depth > max_depth) fail("nested too deeply");
        skip_space();
        switch (peek()) {
            case '{': return Value(object(depth));
            case '[': return Value(array(depth));
            case '"': return Value(string());
            case 't': return literal("true"), Value(true);
            case 'f': return literal("false"), Value(false);
            case 'n': return literal("null"), Value();
            default: return Value(number());
        }
    }

    Value::Object object(int depth) {
        Value::Object members;
        expect('{');
        if (skip_space(), accept('}')) return members;
        do {
            skip_space();
            std::string key = string();
            skip_space();
            expect(':');
            Value member = value(depth + 1);
            member.name_ = key;
            if (!members.emplace(std::move(key), std::move(member)).second)
                fail("a key stands twice");
            skip_space();
        } while (accept(','));
        expect('}');
        return members;
    }

    Value::Array array(int depth) {
        Value::Array items;
        expect('[');
        if (skip_space(), accept(']')) return items;
        do {
            items.push_back(value(depth + 1));
            skip_space();
        } while (accept(','));
        expect(']');
        return items;
    }

    std::string string() {
        std::string out;
        expect('"');
        while (!accept('"')) {
            const char c = peek();
            if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
            ++at_;
            if (c == '\\') escape(out);
            else out += c;
        }
        return out;
    }

    void escape(std::string& out) {
        static constexpr std::string_view codes = "\"\\/bfnrt", characters = "\"\\/\b\f\n\r\t";
        const char code = peek();
        ++at_;
        if (const auto i = codes.find(code); i != codes.npos) out += characters[i];
        else if (code == 'u') append_utf8(out, code_point());
        else fail("an unknown escape");
    }

    std::uint32_t code_point() {
        const std::uint32_t first = hex4();
        if (first < 0xD800 || first > 0xDFFF) return first;
        if (first > 0xDBFF || !accept('\\') || !accept('u')) fail("half of a surrogate pair");
        const std::uint32_t second = hex4();
        if (second < 0xDC00 || second > 0xDFFF) fail("half of a surrogate pair");
        return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    }

    std::uint32_t hex4() {
        const std::string_view digits = in_.substr(at_, 4);
        const char* end = digits.data() + digits.size();
        std::uint32_t value = 0;
        const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
        if (digits.size() != 4 || stop != end || error != std::errc())
            fail("four hexadecimal digits expected");
        at_ += 4;
        return value;
    }

    static void append_utf8(std::string& out, std::uint32_t code) {
        if (code < 0x80) {
            out += static_cast<char>(code);
            return;
        }
        const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        out += static_cast<char>((0xFF00 >> (more + 1) & 0xFF) | code >> 6 * more);
        for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> 6 * i & 0x3F));
    }

    double number() {
        const std::size_t start = at_;
        accept('-');
        if (!accept('0')) digits();
        if (accept('.')) digits();
        if (accept('e') || accept('E')) {
            if (!accept('+')) accept('-');
            digits();
        }
        std::istringstream in{std::string(in_.substr(start, at_ - start))};
        in.imbue(std::locale::classic());  // the program's locale may have a decimal comma
        double value = 0;
        if (!(in >> value)) fail("a number out of range");
        return value;
    }

    void digits() {
        const std::size_t start = at_;
        while (at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9') ++at_;
        if (at_ == start) fail("a value expected");
    }

    void literal(std::string_view word) {
        if (in_.substr(at_, word.size()) != word) fail("a value expected");
        at_ += word.size();
    }

    void skip_space() {
        while (at_ < in_.size() &&
               std::string_view(" \t\r\n").find(in_[at_]) != std::string_view::npos)
            ++at_;
    }

    char peek() const {
        if (at_ == in_.size()) fail("the document ends too early");
        return in_[at_];
    }

    bool accept(char c) {
        const bool found = at_ < in_.size() && in_[at_] == c;
        at_ += found;
        return found;
    }

    void expect(char c) {
        if (!accept(c)) fail(text("'", c, "' expected"));
    }

    [[noreturn]] void fail(const std::string& reason) const {
        throw Error(text(reason, " at byte ", at_));
    }

    std::string_view in_;
    std::size_t at_ = 0;
};

Value parse(std::string_view document) { return Parser(document).document(); }

}  // namespace ltp::json
