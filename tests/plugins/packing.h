// Weights in the layout of panels.h, value by value as its comment says.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel.h"

namespace test {

struct Weights {
    ltp::Weight type;
    int columns, depth;
    const float* bias;              ///< [columns]
    const float* values = nullptr;  ///< [columns][depth], for F32 and BF16
    const int8_t* bytes = nullptr;  ///< [columns][depth], for INT8
    const float* scales = nullptr;  ///< [columns], for INT8
};

std::vector<char> packed(const Weights& weights);

}  // namespace test
