// Random inputs of the op, and what it returns.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "packed_attention.h"

namespace test {

struct Problem {
    int heads = 1, head_size = 8;
    ltp::Element element = ltp::Element::F32;
    std::vector<int32_t> offsets{0}, alive, lengths;
    std::vector<float> qkv;          // exactly representable in `element`
    std::vector<uint16_t> qkv_bf16;  // the same, if element is BF16

    int rows() const { return offsets.back(); }
    int sequences() const { return static_cast<int>(lengths.size()); }
    int hidden() const { return heads * head_size; }
    ltp::PackedInput input() const;
    std::string describe() const;
};

using Random = std::mt19937;

/// pruned: the share of rows that are not alive (the first row of a sequence less often).
Problem random_problem(Random& random, int heads, int head_size, ltp::Element element,
                       const std::vector<int>& lengths, double pruned);

struct Result {
    std::vector<float> context;  // [rows, hidden]
    std::vector<int32_t> kept, offsets, alive;
};

uint16_t to_bf16(float value);
float from_bf16(uint16_t bits);

}  // namespace test
