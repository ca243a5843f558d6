// The residual connection and the layer normalization after a linear layer, in place.
#pragma once

#include "kernel.h"
#include "vec.h"

namespace ltp {
namespace {

/// The sums y + residual are made anew in each of the three passes: both rows are in the L1 cache,
/// and for bfloat16 the sums keep the precision of floats.
template <class E>
void normalize(const NormTask& task) {
    const int columns = task.columns;
    for (int i = 0; i < task.rows; ++i) {
        E* y = static_cast<E*>(task.y) + size_t(i) * columns;
        const int row = task.residual_rows ? task.residual_rows[i] : i;
        const E* residual = static_cast<const E*>(task.residual) + size_t(row) * columns;
        const auto sum = [&](int c) {
            return load(y + c, columns - c) + load(residual + c, columns - c);
        };
        Vec total{}, squares{};
        for (int c = 0; c < columns; c += kLanes) total += sum(c);
        const Vec mean = splat(reduce_add(total) / columns);
        const auto square = [&](int c) {
            const Vec deviation = sum(c) - mean;
            return deviation * deviation;
        };
        const int whole = columns / kLanes * kLanes;
        for (int c = 0; c < whole; c += kLanes) squares += square(c);
        if (whole < columns) squares += (Vec)((VecInt)square(whole) & first_lanes(columns - whole));
        const float variance = reduce_add(squares) / columns;
        const Vec scale = splat(1 / __builtin_sqrtf(variance + task.epsilon));
        for (int c = 0; c < columns; c += kLanes) {
            const Vec gamma = load(task.gamma + c, columns - c),
                      beta = load(task.beta + c, columns - c);
            store(y + c, (sum(c) - mean) * (scale * gamma) + beta, columns - c);
        }
    }
}

}  // namespace
}  // namespace ltp
