// Every kernel's linear layer in int8: exact where rows lie on the grid of bytes, else as near as
// that grid allows.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "check.h"
#include "elements.h"
#include "kernels.h"
#include "linear.h"
#include "packing.h"
#include "run.h"

namespace {

using namespace ltp;

constexpr float kGrid = 1.f / 64;  // a power of two, so that x / kGrid is exact

int random_int(test::Random& random, int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random);
}

struct Layer {
    int rows, depth, columns;
    InputScale input;  // with scale 0, each row's own
    std::vector<float> x, scales, bias, factors;
    std::vector<int8_t> weight;

    Layer(test::Random& random, int rows, int depth, int columns, InputScale input)
        : rows(rows),
          depth(depth),
          columns(columns),
          input(input),
          x(size_t(rows) * depth),
          scales(columns),
          bias(columns),
          factors(depth),
          weight(size_t(columns) * depth) {
        for (auto& f : factors) f = static_cast<float>(1 << random_int(random, 0, 3));
        for (auto& w : weight) w = static_cast<int8_t>(random_int(random, -127, 127));
        for (auto& s : scales) s = static_cast<float>(random_int(random, 1, 9)) / 1024;
        for (auto& b : bias) b = static_cast<float>(random_int(random, -50, 50)) / 8;
        for (int i = 0; i < rows; ++i) {
            // A row without a scale gets this grid if it has both its ends, or zero and the other
            // one.
            const int zero = input.scale > 0 ? input.zero_point
                             : depth > 1     ? random_int(random, 0, 255)
                                             : i % 2 * 255;
            float* row = &x[size_t(i) * depth];
            for (int k = 0; k < depth; ++k)
                row[k] = static_cast<float>(random_int(random, 0, 255) - zero);
            row[depth - 1] = static_cast<float>(-zero);
            row[random_int(random, 0, std::max(depth - 2, 0))] =
                static_cast<float>(depth > 1 || zero == 0 ? 255 - zero : -zero);
        }
        for (auto& v : x) v *= kGrid;
        if (input.scale > 0)
            for (int i = 0; i < rows; ++i)
                for (int k = 0; k < depth; ++k) x[size_t(i) * depth + k] /= factors[k];
    }

    /// Of x, as the weights are for it.
    double smooth(int k) const { return input.scale > 0 ? factors[k] : 1; }

    std::vector<double> expected() const {
        std::vector<double> y;
        for (int i = 0; i < rows; ++i)
            for (int c = 0; c < columns; ++c) {
                double sum = 0;
                for (int k = 0; k < depth; ++k)
                    sum += smooth(k) * x[size_t(i) * depth + k] * weight[size_t(c) * depth + k];
                y.push_back(std::max(0., scales[c] * sum + bias[c]));
            }
        return y;
    }

    /// What is left unwritten stays NaN.
    std::vector<float> run(const Kernel& kernel, Element element, int threads) const {
        std::vector<float> to_grid = factors;
        for (auto& f : to_grid) f /= kGrid;
        to_grid.resize((depth + 31) / 32 * 32);
        const auto panels = test::packed(
            {Weight::INT8, columns, depth, bias.data(), nullptr, weight.data(), scales.data()});
        const PackedWeights packed{panels.data(),
                                   Weight::INT8,
                                   columns,
                                   depth,
                                   {input.scale > 0 ? to_grid.data() : nullptr, input}};
        const LinearKernel& linear_kernel =
            kernel.linear[static_cast<int>(Weight::INT8)][static_cast<int>(element)];
        test::Elements in(x, element),
            y(std::vector<float>(size_t(rows) * columns, std::numeric_limits<float>::quiet_NaN()),
              element);
        linear(in.data(), rows, packed, linear_kernel, Activation::Relu, y.data(), threads,
               test::serial_for);
        return y.values();
    }
};

class Sweep {
public:
    /// Checks one in so many kernels and element types at each size, drawn at random.
    explicit Sweep(unsigned one_in) : one_in_(one_in) {}

    void sizes(int rows, int depth, int columns) {
        for (const InputScale input :
             {InputScale{}, InputScale{kGrid, 128}, InputScale{kGrid, 3}}) {
            const Layer layer(random_, rows, depth, columns, input);
            const auto expected = layer.expected();
            for (const Kernel* kernel : kernels_)
                for (const Element element : {Element::F32, Element::BF16}) {
                    if (random_() % one_in_ != 0) continue;
                    const auto y = layer.run(*kernel, element, random_int(random_, 1, 7));
                    const double rounding = element == Element::F32 ? 1e-6 : 4e-3;
                    for (size_t i = 0; i < y.size(); ++i, ++compared_)
                        CHECK(
                            std::abs(y[i] - expected[i]) <= 1e-5 + rounding * std::abs(expected[i]),
                            kernel->name, "element", static_cast<int>(element), rows, "x", depth,
                            "x", columns, "zero point", input.zero_point, "at", i, "found", y[i],
                            "expected", expected[i]);
                }
        }
    }

    /// Values between the grid's points are off by at most half a step each, and half a step more
    /// for the zero point; those beyond the grid's ends are cut off.
    void off_the_grid() {
        for (const Kernel* kernel : kernels_)
            for (const Element element : {Element::F32, Element::BF16}) {
                Layer layer(random_, 9, 100, 40, {});
                std::normal_distribution<float> normal;
                for (auto& v : layer.x) v = test::from_bf16(test::to_bf16(normal(random_)));
                const auto expected = layer.expected();
                const auto y = layer.run(*kernel, element, 2);
                for (int i = 0; i < layer.rows; ++i) {
                    float least = 0, most = 0;
                    for (int k = 0; k < layer.depth; ++k) {
                        least = std::min(least, layer.x[i * 100 + k]);
                        most = std::max(most, layer.x[i * 100 + k]);
                    }
                    for (int c = 0; c < layer.columns; ++c) {
                        double allowed = 1e-2 + 4e-3 * expected[i * 40 + c];
                        for (int k = 0; k < 100; ++k)
                            allowed += 1.01 * (most - least) / 255 * layer.scales[c] *
                                       std::abs(layer.weight[c * 100 + k]);
                        CHECK(std::abs(y[i * 40 + c] - expected[i * 40 + c]) <= allowed,
                              kernel->name, i, c);
                    }
                }
                Layer far(random_, 1, 64, 8, {kGrid, 100});
                std::fill(far.x.begin(), far.x.end(), 1e20f);
                const auto cut_off = far.run(*kernel, element, 1);
                for (int k = 0; k < 64; ++k) far.x[k] = 155 * kGrid / far.factors[k];
                CHECK(cut_off == far.run(*kernel, element, 1), kernel->name,
                      "beyond the grid's end");
                std::fill(far.x.begin(), far.x.end(), -1e20f);
                const auto below = far.run(*kernel, element, 1);
                for (int k = 0; k < 64; ++k) far.x[k] = -100 * kGrid / far.factors[k];
                CHECK(below == far.run(*kernel, element, 1), kernel->name,
                      "below the grid's start");
            }
    }

    /// A row that is not finite must not look as if it were, and must not touch others. A row of
    /// zeros is no special case.
    void odd_rows() {
        for (const Kernel* kernel : kernels_)
            for (const Element element : {Element::F32, Element::BF16})
                for (const InputScale input : {InputScale{}, InputScale{kGrid, 128}}) {
                    Layer layer(random_, 5, 70, 33, input);
                    std::fill_n(layer.x.begin(), 70, 0.f);
                    layer.x[70 + 69] = std::numeric_limits<float>::quiet_NaN();
                    layer.x[140] = std::numeric_limits<float>::infinity();
                    std::fill_n(layer.x.begin() + 210, 70, 1e-38f);
                    const auto y = layer.run(*kernel, element, 2);
                    for (int c = 0; c < 33; ++c) {
                        const float alone = std::max(0.f, layer.bias[c]);
                        CHECK(y[c] == alone && y[99 + c] == alone, kernel->name, "zeros:", y[c],
                              y[99 + c], alone);
                        CHECK(std::isnan(y[33 + c]) && std::isnan(y[66 + c]), kernel->name,
                              "hides NaN or infinity");
                        CHECK(std::isfinite(y[132 + c]), kernel->name, "the row after them");
                    }
                }
    }

    long compared() const { return compared_; }

private:
    const unsigned one_in_;
    test::Random random_{8};
    std::vector<const Kernel*> kernels_ = test::kernels_of_this_cpu();
    long compared_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    Sweep sweep(argc > 1 ? std::atoi(argv[1]) : 1);
    for (const int rows : {0, 1, 2, 5, 6, 7, 13, 14, 15, 16, 17, 31, 32, 33, 48, 49, 65, 97, 130})
        for (const auto& [depth, columns] : {std::pair{64, 96}, {33, 40}, {288, 32}})
            sweep.sizes(rows, depth, columns);
    for (const int depth : {1, 2, 3, 4, 5, 31, 32, 33, 63, 65, 127, 128, 129, 255, 257, 768})
        for (const int rows : {3, 20}) sweep.sizes(rows, depth, 33);
    for (int columns = 1; columns <= 70; ++columns) sweep.sizes(18, 40, columns);
    sweep.sizes(2100, 1024, 64);  // more rows than fit in a core's cache
    sweep.off_the_grid();
    sweep.odd_rows();
    std::printf("%ld values compared\n", sweep.compared());
    return test::report("linear_int8");
}
