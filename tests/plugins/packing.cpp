#include "packing.h"

#include <cstring>

#include "panels.h"
#include "problem.h"

namespace test {

using namespace ltp;

std::vector<char> packed(const Weights& weights) {
    const PanelLayout& layout = layout_of(weights.type);
    std::vector<char> memory(panels_of(weights.columns) * layout.bytes(weights.depth));
    const auto put = [&](size_t at, auto value) { std::memcpy(&memory[at], &value, sizeof value); };
    for (int column = 0; column < weights.columns; ++column) {
        const size_t panel = column / kPanel * layout.bytes(weights.depth);
        const size_t after = panel + layout.value_part(weights.depth) + column % kPanel * 4;
        int32_t sum = 0;
        for (int k = 0; k < weights.depth; ++k) {
            const size_t from = size_t(column) * weights.depth + k;
            const size_t to = panel + ((k / layout.step * kPanel + column % kPanel) * layout.step +
                                       k % layout.step) *
                                          size_t(layout.value_bytes);
            switch (weights.type) {
                case Weight::F32: put(to, weights.values[from]); break;
                case Weight::BF16: put(to, to_bf16(weights.values[from])); break;
                case Weight::INT8:
                    put(to, weights.bytes[from]);
                    sum += weights.bytes[from];
                    break;
            }
        }
        put(after, weights.bias[column]);
        if (weights.type != Weight::INT8) continue;
        put(after + kPanel * 4, sum);
        put(after + 2 * kPanel * 4, weights.scales[column]);
    }
    return memory;
}

}  // namespace test
