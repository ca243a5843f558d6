#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mapped_file.h"

namespace ltp {

/// Characters that a bundle's tokenizer reads otherwise than in Python.
class RefusedCharacters {
public:
    RefusedCharacters() = default;
    /// Reads a file with a line for each range: its first and last character in hexadecimal, in
    /// ascending order. Throws Error.
    explicit RefusedCharacters(const MappedFile& file);

    /// Refuses what is not UTF-8, or holds a refused character. Throws InputError with `sequence`.
    void check(const std::string& text, std::size_t sequence) const;

private:
    struct Range {
        std::uint32_t first, last;
    };
    std::vector<Range> ranges_;
};

}  // namespace ltp
