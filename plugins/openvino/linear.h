// A linear layer on plain pointers, free of OpenVINO.
#pragma once

#include "kernels/kernel.h"
#include "parallel.h"

namespace ltp {

/// A weight matrix [columns, depth] and its bias, packed as panels.h says.
struct PackedWeights {
    const void* panels;
    Weight type;
    int columns, depth;
    RowsToBytes input = {};  ///< for int8 weights
};

/// What is added to a linear layer's output, and the layer normalization of the sum.
struct ResidualNorm {
    const void* residual = nullptr;  ///< [..][columns], elements as of y
    const int32_t* rows = nullptr;   ///< [rows] of the residual, one for each of y; nullptr = same
    const float* gamma = nullptr;    ///< [columns]
    const float* beta = nullptr;     ///< [columns]
    float epsilon = 0;               ///< added to the variance
};

/// y [rows, columns] = activation(x [rows, depth] W^T + bias), shared out among `threads` tasks;
/// with `norm`, y = LayerNorm(residual + that). The element type of x and y is that of the kernel,
/// which is one for this type of weights.
void linear(const void* x, int rows, const PackedWeights& weights, const LinearKernel& kernel,
            Activation activation, void* y, int threads, ParallelFor parallel_for,
            const ResidualNorm* norm = nullptr);

}  // namespace ltp
