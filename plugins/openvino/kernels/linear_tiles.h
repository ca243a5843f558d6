// A panel times rows in tiles that fill the vector registers. With few rows reading the weights
// takes as long as the arithmetic, so the next block of weights is prefetched while the rows are
// multiplied with the present one. How products are formed is the parameter `Math`:
//
//   kWeight, Value, Sum, Input  see linear.h
//   kParts
//     a step's depths are multiplied in so many parts, one after another
//   Weights load<part>(const Value*)
//     kLanes columns of one part of a step
//   Sums multiply_add(Sums sums, const Input*, Weights)
//     sums + x * weights for one part of one row
#pragma once

#include "linear.h"
#include "tile_table.h"

namespace ltp {
namespace {

constexpr int kTileColumns =
    kTileVecs * kLanes;  // a panel is so many tiles wide, one after another

template <class Math>
class LinearTiles {
public:
    using Value = typename Math::Value;
    using Input = typename Math::Input;
    using Sum = typename Math::Sum;
    static constexpr Weight kWeight = Math::kWeight;
    static constexpr int kStep = layout_of(kWeight).step;
    static constexpr int kRows = kRegisterRows;
    // The lines of y that are written lie in different pages, and with more rows these would be
    // more than the TLB holds: 512 rows at once took a tenth longer than these (Sapphire Rapids).
    static constexpr int kBlockTiles = 72 / kRows;

    static void arrange(Input* row, int depth, int& zero_point) {
        Math::arrange(row, depth, zero_point);
    }

    template <class Output>
    static void multiply(int rows, const Input* x, size_t x_stride, const Value* panel, int depth,
                         Sum* sums, const Output& output) {
        const int tiles = (rows + kRows - 1) / kRows;
        const int lines = tiles == 1 ? kStepLines : 1;
        const int ahead_per_step =
            tiles == 1 ? kStepBytes : kStepBytes / smaller(tiles, kPrefetchers);
        for (int k = 0; k < depth; k += kBlock) {
            const int steps = smaller(kBlock, depth - k) / kStep;
            const Value* block = panel + size_t(k) * kPanel;
            const char* ahead =
                reinterpret_cast<const char*>(block) + (tiles == 1 ? kNear : steps * kStepBytes);
            const bool last = k + kBlock >= depth;
            for (int i = 0; i < tiles; ++i) {
                const int first = rows * i / tiles, end = rows * (i + 1) / tiles;
                if (last) output.announce(first, end);
                for (int c = 0; c < kPanel; c += kTileColumns) {
                    const bool prefetches = i < kPrefetchers && c == 0;
                    TileTable<Tile, kRows, kStepLines>::get(end - first, prefetches ? lines : 1)(
                        x + first * x_stride + k, x_stride, block + c * kStep, steps, k == 0,
                        sums + size_t(first) * kPanel + c,
                        prefetches ? ahead + size_t(i) * steps * ahead_per_step : ahead,
                        prefetches ? ahead_per_step : 0);
                }
                if (last) output.write(first, end);
            }
        }
    }

private:
    static constexpr int kStepBytes = kPanel * kStep * sizeof(Value);
    static constexpr int kStepLines = kStepBytes / 64;
    // Depths; a block should stay in the L1 cache while x passes through.
    static constexpr int kBlock = kLanes * (sizeof(Value) == 1 ? 48 : 16) / kStep * kStep;
    // A single tile is bound by memory and prefetches just ahead of itself, which the hardware's
    // own prefetcher then joins; several share the prefetching of the whole next block.
    static constexpr int kNear = 2048;  // bytes
    static constexpr int kPrefetchers = 8;

    template <int M, int Lines>
    struct Tile {
        /// sums[M][kTileColumns] (+)= x[M][steps * kStep] * block; every step prefetches,
        /// ahead_per_step bytes further on.
        static void run(const Input* x, size_t x_stride, const Value* block, int steps,
                        bool from_zero, Sum* sums, const char* ahead, int ahead_per_step) {
            decltype(ltp::load(sums)) sum[M][kTileVecs] = {};
            if (!from_zero)
#pragma GCC unroll 16
                for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
                    for (int j = 0; j < kTileVecs; ++j)
                        sum[i][j] = load(sums + i * kPanel + j * kLanes);
            for (int k = 0; k < steps; ++k) {
                for (int line = 0; line < Lines; ++line)
                    __builtin_prefetch(ahead + 64 * line, 0, 2);
                ahead += ahead_per_step;
                const Value* row = block + size_t(k) * kPanel * kStep;
                add_parts(sum, x + k * kStep, x_stride, row,
                          std::make_integer_sequence<int, Math::kParts>());
            }
#pragma GCC unroll 16
            for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
                for (int j = 0; j < kTileVecs; ++j)
                    store(sums + i * kPanel + j * kLanes, sum[i][j]);
        }

    private:
        template <class Sums, int... Part>
        static void add_parts(Sums& sum, const Input* x, size_t x_stride, const Value* row,
                              std::integer_sequence<int, Part...>) {
            (add_part<Part>(sum, x + Part * (kStep / Math::kParts), x_stride, row), ...);
        }

        template <int Part, class Sums>
        static void add_part(Sums& sum, const Input* x, size_t x_stride, const Value* row) {
            decltype(Math::template load<Part>(row)) weights[kTileVecs];
#pragma GCC unroll 4
            for (int j = 0; j < kTileVecs; ++j)
                weights[j] = Math::template load<Part>(row + j * kLanes * kStep);
#pragma GCC unroll 16
            for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
                for (int j = 0; j < kTileVecs; ++j)
                    sum[i][j] = Math::multiply_add(sum[i][j], x + i * x_stride, weights[j]);
        }
    };
};

/// Single-precision products.
struct F32Products {
    static constexpr Weight kWeight = Weight::F32;
    using Value = float;
    using Sum = float;
    using Input = float;
    static constexpr int kParts = 1;
    template <int>
    static Vec load(const float* weights) {
        return ltp::load(weights);
    }
    static Vec multiply_add(Vec sum, const float* x, Vec weights) {
        return sum + splat(*x) * weights;
    }
};

/// Single-precision products with bfloat16 weights, which take half as long to read.
struct Bf16Products {
    static constexpr Weight kWeight = Weight::BF16;
    using Value = Bf16;
    using Sum = float;
    using Input = float;
    static constexpr int kParts = 2;
    template <int part>
    static Vec load(const Bf16* weights) {
        VecBits pairs;
        memcpy(&pairs, weights, sizeof pairs);
        return (Vec)(part == 0 ? pairs << 16 : pairs & 0xffff0000u);
    }
    static Vec multiply_add(Vec sum, const float* x, Vec weights) {
        return sum + splat(*x) * weights;
    }
};

}  // namespace
}  // namespace ltp
