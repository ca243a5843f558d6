// How a linear layer's weights lie in memory: one layout for every instruction set, so that a file
// written once is read where it is mapped.
//
// W [columns, depth] is cut into panels of 32 columns, the last one filled up with zeros. A panel
// holds [depth / step][32][step] values, zeros beyond the last depth, and then what belongs to its
// columns: bias, f32 [32]; and with int8 values also their sums over the depth, int32 [32], and
// their scales, f32 [32].
#pragma once

#include "kernels/kernel.h"

namespace ltp {
namespace {  // kernels compile this for their own instruction sets

constexpr int kPanel = 32;  // columns

struct PanelLayout {
    int value_bytes;
    int step;     ///< values of a column that lie side by side: 64 bytes hold 16 columns
    int depths;   ///< the depth is filled up to a multiple of it: a row of an AMX tile
    int vectors;  ///< of 32 numbers of 4 bytes after the values

    constexpr int padded(int depth) const { return (depth + depths - 1) / depths * depths; }
    constexpr size_t value_part(int depth) const {
        return size_t(padded(depth)) * kPanel * value_bytes;
    }
    constexpr size_t bytes(int depth) const {
        return value_part(depth) + size_t(vectors) * kPanel * 4;
    }
};

constexpr PanelLayout kPanelLayouts[] = {{4, 1, 1, 1}, {2, 2, 32, 1}, {1, 4, 64, 3}};  // by Weight

constexpr const PanelLayout& layout_of(Weight weight) {
    return kPanelLayouts[static_cast<int>(weight)];
}

constexpr int panels_of(int columns) { return (columns + kPanel - 1) / kPanel; }

}  // namespace
}  // namespace ltp
