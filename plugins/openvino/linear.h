// A linear layer on plain pointers, free of OpenVINO.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/kernel.h"
#include "parallel.h"

namespace ltp {

/// A weight matrix in the layout that one kernel wants.
class PackedWeights {
public:
    /// weight: [columns, depth] row by row; not needed any more afterwards.
    PackedWeights(const WeightRows& weight, int columns, int depth, const LinearKernel& kernel,
                  ParallelFor parallel_for);
    PackedWeights(const PackedWeights&) = delete;
    PackedWeights& operator=(const PackedWeights&) = delete;

    const void* panel(int index) const { return memory_.get() + index * panel_bytes_; }
    int panels() const { return panels_; }

    const LinearKernel& kernel;
    const int columns, depth;
    RowsToBytes input() const { return {factors_.empty() ? nullptr : factors_.data(), scale_}; }

private:
    int panels_;
    size_t panel_bytes_;
    std::shared_ptr<char> memory_;
    std::vector<float> factors_;
    InputScale scale_;
};

/// y [rows, columns] = activation(x [rows, depth] W^T + bias [columns]), shared out among `threads`
/// tasks. The element type of x and y is that of the kernel.
void linear(const void* x, int rows, const PackedWeights& weights, const float* bias,
            Activation activation, void* y, int threads, ParallelFor parallel_for);

}  // namespace ltp
