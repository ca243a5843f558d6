// Every kernel's linear layer against sums in double precision, over sizes around every tile edge.
#include "linear.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <limits>
#include <thread>

#include "check.h"
#include "elements.h"
#include "kernels.h"
#include "packing.h"
#include "run.h"

namespace {

using namespace ltp;

constexpr Activation kActivations[] = {Activation::None, Activation::Gelu, Activation::GeluTanh,
                                       Activation::Relu};

double activated(Activation activation, double x) {
    switch (activation) {
        case Activation::None: return x;
        case Activation::Gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.)));
        case Activation::GeluTanh:
            return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
        case Activation::Relu: return std::max(x, 0.);
    }
    return x;
}

/// Values that the element type can represent.
std::vector<float> values(test::Random& random, size_t count, Element element, float scale) {
    std::normal_distribution<float> normal(0.f, scale);
    std::vector<float> result(count);
    for (float& x : result) {
        x = normal(random);
        if (element == Element::BF16) x = test::from_bf16(test::to_bf16(x));
    }
    return result;
}

/// The types of the weights and of the rows.
struct Types {
    Weight weight;
    Element element;
};
constexpr Types kF32{Weight::F32, Element::F32};
constexpr Types kBf16{Weight::BF16, Element::BF16};
constexpr Types kTypes[] = {kF32, {Weight::BF16, Element::F32}, kBf16};

struct Layer {
    Types types;
    int rows, depth, columns;
    std::vector<float> x, weight, bias;

    Layer(test::Random& random, Types types, int rows, int depth, int columns)
        : types(types),
          rows(rows),
          depth(depth),
          columns(columns),
          x(values(random, size_t(rows) * depth, types.element, 1.f)),
          weight(values(random, size_t(columns) * depth,
                        types.weight == Weight::F32 ? Element::F32 : Element::BF16,
                        2.f / std::sqrt(float(depth)))),
          bias(values(random, columns, Element::F32, 1.f)) {}

    /// Before the activation.
    std::vector<double> expected() const {
        std::vector<double> y;
        for (int i = 0; i < rows; ++i)
            for (int c = 0; c < columns; ++c) {
                double sum = bias[c];
                for (int k = 0; k < depth; ++k)
                    sum += double(x[size_t(i) * depth + k]) * weight[size_t(c) * depth + k];
                y.push_back(sum);
            }
        return y;
    }

    std::vector<char> panels() const {
        return test::packed({types.weight, columns, depth, bias.data(), weight.data()});
    }

    /// What is left unwritten stays NaN.
    std::vector<float> run(const Kernel& kernel, Activation activation, int threads) const {
        const auto memory = panels();
        const PackedWeights packed{memory.data(), types.weight, columns, depth};
        const LinearKernel& linear_kernel =
            kernel.linear[static_cast<int>(types.weight)][static_cast<int>(types.element)];
        test::Elements in(x, types.element),
            y(std::vector<float>(size_t(rows) * columns, std::numeric_limits<float>::quiet_NaN()),
              types.element);
        linear(in.data(), rows, packed, linear_kernel, activation, y.data(), threads,
               test::serial_for);
        return y.values();
    }
};

class Sweep {
public:
    void sizes(int rows, int depth, int columns) {
        for (const Types types : kTypes) {
            const Layer layer(random_, types, rows, depth, columns);
            const std::vector<double> expected = layer.expected();
            for (const Kernel* kernel : kernels_) {
                const Activation activation = kActivations[random_() % 4];
                const int threads = 1 + static_cast<int>(random_() % 7);
                compare(layer, expected, layer.run(*kernel, activation, threads), *kernel,
                        activation);
            }
        }
    }

    /// Activations must be good everywhere and must not hide a NaN.
    void activations() {
        constexpr int kPoints = 2001;
        for (const Kernel* kernel : kernels_)
            for (const Types types : {kF32, kBf16})
                for (const Activation activation : kActivations) {
                    Layer layer(random_, types, kPoints, 1, 1);
                    layer.weight = {1.f};
                    layer.bias = {0.f};
                    for (int i = 0; i < kPoints; ++i)  // exact in bfloat16
                        layer.x[i] = static_cast<float>(i - kPoints / 2) / 64;
                    layer.x[0] = -40.f;
                    layer.x[kPoints - 1] = 40.f;
                    std::vector<double> expected(layer.x.begin(), layer.x.end());
                    compare(layer, expected, layer.run(*kernel, activation, 1), *kernel,
                            activation);
                    layer.x[3] = std::numeric_limits<float>::quiet_NaN();
                    CHECK(std::isnan(layer.run(*kernel, activation, 1)[3]), kernel->name,
                          "loses a NaN");
                }
    }

    long compared() const { return compared_; }

private:
    void compare(const Layer& layer, const std::vector<double>& sums, const std::vector<float>& y,
                 const Kernel& kernel, Activation activation) {
        const double rounding = layer.types.element == Element::F32 ? 1e-6 : 4e-3,
                     summing = layer.depth > 1 ? 4e-6 + 1e-8 * layer.depth : 5e-7,
                     gelu = layer.types.element == Element::F32 ? 0 : 2e-5;
        for (size_t i = 0; i < y.size(); ++i, ++compared_) {
            const double expected = activated(activation, sums[i]);
            CHECK(std::abs(y[i] - expected) <= summing + gelu + rounding * std::abs(expected),
                  kernel.name, "weights", static_cast<int>(layer.types.weight), "element",
                  static_cast<int>(layer.types.element), "activation", static_cast<int>(activation),
                  layer.rows, "x", layer.depth, "x", layer.columns, "at", i, "found", y[i],
                  "expected", expected);
        }
    }

    test::Random random_{2107};
    std::vector<const Kernel*> kernels_ = test::kernels_of_this_cpu();
    long compared_ = 0;
};

/// Threads share the packed weights; each has its own rows and its own parts of one request.
void threads_do_not_see_each_other() {
    constexpr int kThreads = 6;
    test::Random random(3);
    const Layer layer(random, kF32, 37, 300, 130);
    const Kernel& kernel = select_kernel(Precision::F32);
    const auto memory = layer.panels();
    const PackedWeights packed{memory.data(), Weight::F32, layer.columns, layer.depth};
    const std::vector<float> alone = layer.run(kernel, Activation::Gelu, 1);
    std::atomic<int> different{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            std::vector<float> y(alone.size());
            for (int i = 0; i < 20; ++i) {
                linear(layer.x.data(), layer.rows, packed, kernel.linear[0][0], Activation::Gelu,
                       y.data(), 1 + t, test::threaded_for);
                for (size_t j = 0; j < y.size(); ++j)
                    different += std::abs(y[j] - alone[j]) > 1e-5f;
            }
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(different == 0, "values differ:", different.load());
}

}  // namespace

int main() {
    Sweep sweep;
    for (const int rows : {0,  1,  2,  5,  6,  7,  13, 14, 15, 16, 17, 28,
                           29, 31, 32, 33, 47, 48, 49, 64, 65, 96, 97, 130})
        for (const auto& [depth, columns] : {std::pair{64, 96}, {33, 40}, {288, 32}})
            sweep.sizes(rows, depth, columns);
    for (const int depth : {1, 2, 3, 31, 32, 33, 63, 65, 255, 256, 257, 511, 513, 768})
        for (const int rows : {3, 20}) sweep.sizes(rows, depth, 33);
    for (int columns = 1; columns <= 70; ++columns) sweep.sizes(18, 40, columns);
    sweep.sizes(700, 800, 64);  // more rows than fit in a core's cache
    sweep.activations();
    threads_do_not_see_each_other();
    std::printf("%ld values compared\n", sweep.compared());
    return test::report("linear");
}
