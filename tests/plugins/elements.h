// Numbers as a kernel takes them, float32 or bfloat16.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/kernel.h"
#include "problem.h"

namespace test {

class Elements {
public:
    Elements(const std::vector<float>& values, ltp::Element element) : element_(element) {
        if (element == ltp::Element::F32) {
            floats_ = values;
        } else {
            halves_.resize(values.size());
            std::transform(values.begin(), values.end(), halves_.begin(), to_bf16);
        }
    }

    void* data() { return element_ == ltp::Element::F32 ? (void*)floats_.data() : halves_.data(); }

    std::vector<float> values() const {
        if (element_ == ltp::Element::F32) return floats_;
        std::vector<float> values(halves_.size());
        std::transform(halves_.begin(), halves_.end(), values.begin(), from_bf16);
        return values;
    }

private:
    ltp::Element element_;
    std::vector<float> floats_;
    std::vector<uint16_t> halves_;
};

}  // namespace test
