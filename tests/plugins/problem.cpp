#include "problem.h"

#include <algorithm>
#include <cstring>
#include <sstream>

namespace test {

uint16_t to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float from_bf16(uint16_t half) {
    const uint32_t bits = uint32_t{half} << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

ltp::PackedInput Problem::input() const {
    const void* data =
        element == ltp::Element::F32 ? static_cast<const void*>(qkv.data()) : qkv_bf16.data();
    return {data,  element,        rows(),       sequences(),   hidden(),
            heads, offsets.data(), alive.data(), lengths.data()};
}

std::string Problem::describe() const {
    std::ostringstream out;
    out << "heads " << heads << " of " << head_size
        << (element == ltp::Element::F32 ? " f32" : " bf16") << " rows";
    for (int b = 0; b < std::min(sequences(), 6); ++b) out << ' ' << offsets[b + 1] - offsets[b];
    return out.str();
}

Problem random_problem(Random& random, int heads, int head_size, ltp::Element element,
                       const std::vector<int>& lengths, double pruned) {
    Problem p;
    p.heads = heads;
    p.head_size = head_size;
    p.element = element;
    std::uniform_real_distribution<double> uniform;
    for (const int rows : lengths) {
        for (int r = 0; r < rows; ++r)
            p.alive.push_back(uniform(random) >= (r ? pruned : pruned / 2));
        p.offsets.push_back(p.offsets.back() + rows);
        p.lengths.push_back(rows + (pruned > 0 ? static_cast<int>(random() % 4) : 0));
    }
    std::normal_distribution<float> normal;
    p.qkv.resize(size_t(p.rows()) * 3 * p.hidden());
    for (float& x : p.qkv) x = normal(random);
    if (element == ltp::Element::BF16)
        for (float& x : p.qkv) {
            p.qkv_bf16.push_back(to_bf16(x));
            x = from_bf16(p.qkv_bf16.back());
        }
    return p;
}

}  // namespace test
