// Part of a linear layer, y = activation(x W^T + bias): panel after panel of W, each with all rows.
// How a panel is multiplied is the parameter `Product`:
//
//   kWeight, Value     the type of the weights; panels.h has their layout
//   Sum                float, or int32_t for products of integers
//   Input              what x is read as; x of another type, or of another depth, is copied first
//   kRows              rows that share one pass over a panel
//   kBlockTiles        so many times kRows are best multiplied with all panels before the next rows
//   multiply(rows, x, x_stride, panel, depth, sums, output)
//     sums[rows][kPanel] = x[rows][depth] * panel. Calls output.announce(first, end) before the
//     last work on these rows, and output.write(first, end) as soon as their sums are complete:
//     writing to memory then overlaps with arithmetic
#pragma once

#include "../panels.h"
#include "activation.h"
#include "arena.h"
#include "kernel.h"
#include "normalize.h"
#include "vec.h"

namespace ltp {
namespace {

/// A panel and what belongs to its columns.
template <Weight weight, class Value>
struct Panel {
    const Value* values;
    const float* bias;

    Panel(const void* panel, int depth)
        : values(static_cast<const Value*>(panel)),
          bias(reinterpret_cast<const float*>(static_cast<const char*>(panel) +
                                              layout_of(weight).value_part(depth))) {}
    const int32_t* column_sums() const { return reinterpret_cast<const int32_t*>(bias + kPanel); }
    const float* scales() const { return bias + 2 * kPanel; }
};

/// The sums of one panel as they are.
struct FloatSums {
    const float* sums;  // [rows][kPanel]

    /// kLanes columns from c on, as a function of the row.
    auto columns(int c) const {
        return [from = sums + c](int row) { return load(from + row * kPanel); };
    }
};

/// y = activation(sums + bias) for the columns of one panel.
template <class E, class Sums>
class Output {
public:
    Output(const LinearTask& task, Sums sums, const float* bias, int column)
        : task_(task),
          sums_(sums),
          bias_(bias),
          column_(column),
          columns_(smaller(kPanel, task.columns - column)) {}

    /// Fetches the cache lines that will be written.
    void announce(int first, int end) const {
        for (int i = first; i < end; ++i)
            for (int c = 0; c < columns_; c += 64 / int{sizeof(E)})
                __builtin_prefetch(row(i) + c, 1);
    }

    void write(int first, int end) const {
        switch (task_.activation) {
            case Activation::None: return write<Activation::None>(first, end);
            case Activation::Gelu: return write<Activation::Gelu>(first, end);
            case Activation::GeluTanh: return write<Activation::GeluTanh>(first, end);
            case Activation::Relu: return write<Activation::Relu>(first, end);
        }
    }

private:
    E* row(int i) const { return static_cast<E*>(task_.y) + i * task_.y_stride + column_; }

    template <Activation activation>
    void write(int first, int end) const {
        for (int c = 0; c < columns_; c += kLanes) {
            const auto sum = sums_.columns(c);
            const Vec bias = load(bias_ + c);
            const auto value = [&](int i) { return activate<activation, E>(sum(i) + bias); };
            if (columns_ - c >= kLanes)
                for (int i = first; i < end; ++i) store(row(i) + c, value(i));
            else
                for (int i = first; i < end; ++i) store(row(i) + c, value(i), columns_ - c);
        }
    }

    const LinearTask& task_;
    const Sums sums_;
    const float* const bias_;  // of the panel
    const int column_, columns_;
};

template <class T>
inline void convert(const T* from, T* to, int count) {
    memcpy(to, from, count * sizeof(T));
}
template <class From, class To>
inline void convert(const From* from, To* to, int count) {
    for (int c = 0; c < count; c += kLanes) store(to + c, load(from + c, count - c), count - c);
}

template <class Product>
constexpr int padded(int depth) {
    return layout_of(Product::kWeight).padded(depth);
}

template <class Product, class E>
struct LinearBuffers {
    float* sums;                 // [rows][kPanel]
    typename Product::Input* x;  // [rows][padded depth]

    LinearBuffers(Arena& arena, int rows, int depth)
        : sums(arena.take<float>(size_t(rows) * kPanel)),
          x(arena.take<typename Product::Input>(
              copied(depth) ? size_t(rows) * padded<Product>(depth) : 0)) {}

    static bool copied(int depth) {
        return sizeof(typename Product::Input) != sizeof(E) || padded<Product>(depth) != depth;
    }
};

template <class Product, class E>
size_t linear_scratch_bytes(int rows, int depth) {
    Arena arena(nullptr);
    LinearBuffers<Product, E>(arena, rows, depth);
    return arena.used();
}

template <class Product, class E>
void linear(const LinearTask& task, void* scratch) {
    using Input = typename Product::Input;
    using Buffers = LinearBuffers<Product, E>;
    const int depth = padded<Product>(task.depth);
    Arena arena(scratch);
    const Buffers buffers(arena, task.rows, task.depth);
    const Input* x = static_cast<const Input*>(task.x);
    size_t x_stride = task.depth;
    if (Buffers::copied(task.depth)) {
        for (int i = 0; i < task.rows; ++i) {
            Input* row = buffers.x + size_t(i) * depth;
            convert(static_cast<const E*>(task.x) + size_t(i) * task.depth, row, task.depth);
            memset(row + task.depth, 0, (depth - task.depth) * sizeof(Input));
        }
        x = buffers.x;
        x_stride = depth;
    }
    const auto* panels = static_cast<const char*>(task.panels);
    for (int column = 0; column < task.columns;
         column += kPanel, panels += layout_of(Product::kWeight).bytes(task.depth)) {
        const Panel<Product::kWeight, typename Product::Value> panel(panels, task.depth);
        const Output<E, FloatSums> output(task, {buffers.sums}, panel.bias, column);
        Product::multiply(task.rows, x, x_stride, panel.values, depth, buffers.sums, output);
    }
}

template <class Product, class E>
constexpr LinearKernel linear_kernel() {
    return {sizeof(E),
            sizeof(typename Product::Input),
            0,
            Product::kRows,
            Product::kBlockTiles,
            linear_scratch_bytes<Product, E>,
            linear<Product, E>,
            normalize<E>};
}

}  // namespace
}  // namespace ltp
