// The LayerNorm of sums: widths around what a warp reads at a time, rows gathered or not, and rows
// that are all alike.
#include <cmath>

#include "check.h"
#include "cuda/arguments.h"
#include "device.h"
#include "guarded.h"

extern "C" void ltp_residual_norm(ltp::cuda::NormArguments);

namespace {

using namespace ltp;

constexpr int kRows = 4, kThreads = 128;  // of a block
constexpr float kEpsilon = 1e-5f;

std::vector<float> random_halves(test::Random& random, size_t size, float mean) {
    std::normal_distribution<float> normal(mean, 1.f);
    std::vector<float> values(size);
    for (float& x : values) x = __half2float(__float2half_rn(normal(random)));
    return values;
}

void check(test::Random& random, int rows, int columns, bool gathers, float offset) {
    const int sources = gathers ? rows + 3 : rows;
    const size_t size = size_t(rows) * columns;
    const auto x = random_halves(random, size, offset),
               residual = random_halves(random, size_t(sources) * columns, 0.f);
    const auto weight = random_halves(random, columns, 1.f),
               bias = random_halves(random, columns, 0.f);
    std::vector<int32_t> kept(rows);
    for (int32_t& row : kept) row = random() % sources;

    test::Guarded<__half> x_in(test::to_half(x), size),
        residual_in(test::to_half(residual), residual.size());
    test::Guarded<__half> weight_in(test::to_half(weight), columns),
        bias_in(test::to_half(bias), columns), out(size);
    test::Guarded<int32_t> kept_in(kept, rows);
    cuda::NormArguments a{};
    a.x = x_in.data();
    a.residual = residual_in.data();
    a.kept = gathers ? kept_in.data() : nullptr;
    a.weight = weight_in.data();
    a.bias = bias_in.data();
    a.out = out.data();
    a.rows = rows;
    a.columns = columns;
    a.epsilon = kEpsilon;
    void* parameters[] = {&a};
    const unsigned blocks = (rows + kRows - 1) / kRows;
    cudaLaunchKernel(reinterpret_cast<const void*>(&ltp_residual_norm), blocks, kThreads,
                     parameters, 0, nullptr);

    for (int row = 0; row < rows; ++row) {
        const float* mine = &x[size_t(row) * columns];
        const float* other = &residual[size_t(gathers ? kept[row] : row) * columns];
        double mean = 0., squares = 0.;
        for (int c = 0; c < columns; ++c) mean += double(mine[c]) + other[c];
        mean /= columns;
        for (int c = 0; c < columns; ++c) squares += std::pow(double(mine[c]) + other[c] - mean, 2);
        const double scale = 1. / std::sqrt(squares / columns + kEpsilon);
        for (int c = 0; c < columns; ++c) {
            const double wanted = (double(mine[c]) + other[c] - mean) * scale * weight[c] + bias[c];
            const double found = __half2float(out[size_t(row) * columns + c]);
            CHECK(std::fabs(found - wanted) <= 1e-3 * (1. + std::fabs(wanted)), "rows", rows,
                  "columns", columns, "row", row, "column", c, "found", found, "wanted", wanted);
        }
    }
}

/// A variance of zero must not divide by zero.
void equal_values() {
    test::Guarded<__half> x(test::to_half(std::vector<float>(8, 3.f)), 8),
        zero(test::to_half(std::vector<float>(8)), 8);
    test::Guarded<__half> out(8);
    cuda::NormArguments a{x.data(),   zero.data(), nullptr, x.data(), zero.data(),
                          out.data(), 1,           8,       kEpsilon};
    void* parameters[] = {&a};
    cudaLaunchKernel(reinterpret_cast<const void*>(&ltp_residual_norm), 1, kThreads, parameters, 0,
                     nullptr);
    for (int c = 0; c < 8; ++c) CHECK(__half2float(out[c]) == 0.f, __half2float(out[c]));
}

}  // namespace

int main() {
    test::Random random(17);
    for (const int columns : {8, 16, 248, 256, 264, 512, 768, 1016, 1024})
        for (const int rows : {1, 3, 4, 5, 9})
            for (const bool gathers : {false, true})
                check(random, rows, columns, gathers, rows == 9 ? 40.f : 0.f);
    equal_values();
    return test::report("cuda_residual_norm");
}
