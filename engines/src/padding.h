// The sizes that requests are run as, few enough that each has a CUDA graph of its own; those of
// ltp_deploy/cuda/buckets.py.
#pragma once

#include <algorithm>
#include <cstddef>

namespace ltp {

/// At least `value`, which is not 0.
constexpr std::size_t power_of_two(std::size_t value) {
    std::size_t power = 1;
    while (power < value) power *= 2;
    return power;
}

/// At most an eighth more rows, a sixteenth beyond 1024, or 7.
constexpr std::size_t row_bucket(std::size_t rows) {
    const std::size_t power = std::max<std::size_t>(8, power_of_two(rows)),
                      step = std::max(
                          {std::size_t{8}, power / 32, std::min<std::size_t>(64, power / 16)});
    return (rows + step - 1) / step * step;
}

constexpr std::size_t sequence_bucket(std::size_t sequences, std::size_t most) {
    return std::min(power_of_two(sequences), most);
}

}  // namespace ltp
