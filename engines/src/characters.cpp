#include "characters.h"

#include <algorithm>
#include <iomanip>
#include <optional>
#include <sstream>

#include "ltp/engine.h"
#include "text.h"

namespace ltp {
namespace {

/// The character at `at`, which is moved past it; none where there is no valid UTF-8.
std::optional<std::uint32_t> next_character(const std::string& text, std::size_t& at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::uint32_t lead = byte(at);
    if (lead < 0x80) {
        ++at;
        return lead;
    }
    const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || at + more >= text.size()) return std::nullopt;
    std::uint32_t character = lead & (0x3F >> more);
    for (std::size_t i = at + 1; i <= at + more; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
        character = character << 6 | (byte(i) & 0x3F);
    }
    constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};  // by number of bytes that follow
    const bool surrogate = character >= 0xD800 && character < 0xE000;
    if (character < least[more] || character > 0x10FFFF || surrogate) return std::nullopt;
    at += more + 1;
    return character;
}

}  // namespace

RefusedCharacters::RefusedCharacters(const MappedFile& file) {
    std::istringstream in{std::string(file.data())};
    in >> std::hex;
    bool whole = true;
    for (Range range{}; whole && in >> range.first; ranges_.push_back(range))
        whole = static_cast<bool>(in >> range.last);
    if (!whole || !in.eof())
        throw Error(text(file.path(), " is no list of characters; rebuild the bundle"));
}

void RefusedCharacters::check(const std::string& given, std::size_t sequence) const {
    for (std::size_t at = 0; at < given.size();) {
        const std::size_t begin = at;
        const auto character = next_character(given, at);
        if (!character)
            throw InputError(
                text("byte ", begin, " begins no character of UTF-8; convert the text"), sequence);
        const auto range =
            std::lower_bound(ranges_.begin(), ranges_.end(), *character,
                             [](const Range& r, std::uint32_t wanted) { return r.last < wanted; });
        if (range == ranges_.end() || *character < range->first) continue;
        std::ostringstream code;
        code << std::uppercase << std::hex << std::setw(4) << std::setfill('0') << *character;
        throw InputError(text("byte ", begin, " begins the character U+", code.str(),
                              ", which openvino-tokenizers reads otherwise than this model's ",
                              "tokenizer; take it out, or pass token ids"),
                         sequence);
    }
}

}  // namespace ltp
