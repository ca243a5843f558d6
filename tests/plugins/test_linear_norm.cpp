// The residual connection and the layer normalization after a linear layer, of every kernel,
// against the formula in double precision.
#include <cmath>
#include <cstdio>
#include <limits>

#include "check.h"
#include "elements.h"
#include "kernels.h"
#include "linear.h"
#include "packing.h"
#include "run.h"

namespace {

using namespace ltp;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Types {
    Weight weight;
    Element element;
};
constexpr Types kTypes[] = {{Weight::F32, Element::F32},
                            {Weight::BF16, Element::F32},
                            {Weight::BF16, Element::BF16},
                            {Weight::INT8, Element::F32},
                            {Weight::INT8, Element::BF16}};

std::vector<float> values(test::Random& random, size_t count, float mean = 0) {
    std::normal_distribution<float> normal(mean);
    std::vector<float> result(count);
    for (float& x : result) x = normal(random);
    return result;
}

struct Layer {
    Types types;
    int rows, depth, columns;
    std::vector<char> panels;
    test::Elements x;
    test::Elements residual;  // 2 * rows + 1 of them
    std::vector<float> gamma, beta;
    std::vector<int32_t> residual_rows;
    float epsilon = 0.25f;

    Layer(test::Random& random, Types types, int rows, int depth, int columns)
        : types(types),
          rows(rows),
          depth(depth),
          columns(columns),
          panels(packed(random, types.weight, depth, columns)),
          x(values(random, size_t(rows) * depth), types.element),
          residual(values(random, size_t(2 * rows + 1) * columns, 3), types.element),
          gamma(values(random, columns)),
          beta(values(random, columns)) {
        for (int i = 0; i < rows; ++i) residual_rows.push_back(2 * rows - i);
    }

    std::vector<float> run(const Kernel& kernel, int threads, const ResidualNorm* norm) {
        const PackedWeights weights{panels.data(), types.weight, columns, depth};
        test::Elements y(std::vector<float>(size_t(rows) * columns, kNan), types.element);
        linear(x.data(), rows, weights,
               kernel.linear[static_cast<int>(types.weight)][static_cast<int>(types.element)],
               Activation::None, y.data(), threads, test::serial_for, norm);
        return y.values();
    }

    /// LayerNorm(residual + y).
    std::vector<double> expected(const std::vector<float>& y, bool gathered) const {
        const auto added = residual.values();
        std::vector<double> result;
        for (int i = 0; i < rows; ++i) {
            std::vector<double> sums(columns);
            double mean = 0, variance = 0;
            for (int c = 0; c < columns; ++c) {
                const size_t row = gathered ? residual_rows[i] : i;
                sums[c] = double(y[size_t(i) * columns + c]) + added[row * columns + c];
                mean += sums[c] / columns;
            }
            for (const double sum : sums) variance += (sum - mean) * (sum - mean) / columns;
            for (int c = 0; c < columns; ++c)
                result.push_back((sums[c] - mean) / std::sqrt(variance + epsilon) * gamma[c] +
                                 beta[c]);
        }
        return result;
    }

private:
    static std::vector<char> packed(test::Random& random, Weight weight, int depth, int columns) {
        const auto bias = values(random, columns), scales = std::vector<float>(columns, 1.f / 127);
        const auto weights = values(random, size_t(columns) * depth);
        std::vector<int8_t> bytes;
        for (const float w : weights) bytes.push_back(static_cast<int8_t>(std::fmod(w, 1) * 127));
        return test::packed(
            {weight, columns, depth, bias.data(), weights.data(), bytes.data(), scales.data()});
    }
};

class Sweep {
public:
    void sizes(int rows, int depth, int columns) {
        for (const Types types : kTypes) {
            Layer layer(random_, types, rows, depth, columns);
            for (const Kernel* kernel : test::kernels_of_this_cpu())
                for (const bool gathered : {false, true}) {
                    const int threads = 1 + static_cast<int>(random_() % 7);
                    const ResidualNorm norm{layer.residual.data(),
                                            gathered ? layer.residual_rows.data() : nullptr,
                                            layer.gamma.data(), layer.beta.data(), layer.epsilon};
                    const auto y = layer.run(*kernel, threads, nullptr);
                    compare(layer, layer.expected(y, gathered), layer.run(*kernel, threads, &norm),
                            kernel->name, threads);
                }
        }
    }

    long compared() const { return compared_; }

private:
    void compare(const Layer& layer, const std::vector<double>& expected,
                 const std::vector<float>& found, const char* kernel, int threads) {
        const double rounding = layer.types.element == Element::F32 ? 2e-6 : 4e-3;
        for (size_t i = 0; i < found.size(); ++i, ++compared_)
            CHECK(std::abs(found[i] - expected[i]) <= 4e-6 + rounding * std::abs(expected[i]),
                  kernel, "weights", static_cast<int>(layer.types.weight), "element",
                  static_cast<int>(layer.types.element), layer.rows, "x", layer.depth, "x",
                  layer.columns, "threads", threads, "at", i, "found", found[i], "expected",
                  expected[i]);
    }

    test::Random random_{2107};
    long compared_ = 0;
};

}  // namespace

int main() {
    Sweep sweep;
    for (const int rows : {0, 1, 2, 15, 16, 17, 71, 72, 73, 150})
        for (const int columns : {1, 8, 33, 64, 100}) sweep.sizes(rows, 40, columns);
    sweep.sizes(400, 8, 256);  // enough for several threads, each with some columns or rows
    sweep.sizes(3, 64, 768);
    std::printf("%ld values compared\n", sweep.compared());
    return test::report("linear_norm");
}
