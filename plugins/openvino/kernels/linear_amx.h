// A panel times rows in AMX tiles: up to 32 rows at a time times the panel's 32 columns. What is
// multiplied is the parameter `Tiles`:
//
//   kWeight, Value, Sum, Input    see linear.h
//   multiply_upper(), multiply_lower()
//     tiles 0, 1 += tile 4 * tiles 6, 7; tiles 2, 3 += tile 5 * tiles 6, 7
#pragma once

#include "amx_tiles.h"
#include "linear.h"

namespace ltp {
namespace {

struct Bf16Tiles {
    static constexpr Weight kWeight = Weight::BF16;
    using Value = Bf16;
    using Sum = float;
    using Input = Bf16;

    static void multiply_upper() {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
    }
    static void multiply_lower() {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
};

template <class Tiles>
struct AmxLinear {
    using Value = typename Tiles::Value;
    using Sum = typename Tiles::Sum;
    using Input = typename Tiles::Input;
    static constexpr Weight kWeight = Tiles::kWeight;
    static constexpr int kStep = layout_of(kWeight).step;
    static constexpr int kDepth = layout_of(kWeight).depths;  // 64 bytes
    static constexpr int kRows = kTileRows;
    static constexpr int kBlockTiles = 64;

    static void arrange(Input*, int, int&) {}

    template <class Output>
    static void multiply(int rows, const Input* x, size_t x_stride, const Value* panel, int depth,
                         Sum* sums, const Output& output) {
        // The last tile overlaps the one before it rather than being smaller: its sums come out
        // twice, the same.
        const int last = rows > kTileRows ? rows - kTileRows : 0;
        const int pairs = (rows + 2 * kTileRows - 1) / (2 * kTileRows);
        for (int i = 0; i < pairs; ++i) {
            const int upper = smaller(i * 2 * kTileRows, last),
                      lower = smaller(upper + kTileRows, last);
            const int end = smaller(lower + kTileRows, rows);
            const auto product = upper < lower ? multiply_tiles<true> : multiply_tiles<false>;
            output.announce(upper, end);
            product(x + upper * x_stride, x + lower * x_stride, x_stride, panel, depth,
                    prefetching(panel, depth, i, pairs), sums + size_t(upper) * kPanel,
                    sums + size_t(lower) * kPanel);
            output.write(upper, end);
        }
    }

private:
    static constexpr int kStepBytes = kDepth * kPanel * sizeof(Value);
    static constexpr int kNear = 2048;  // bytes
    static constexpr int kFewPairs = 3;

    struct Prefetching {
        const char* from;
        int bytes_per_step;
    };

    /// With few rows the first ones wait for memory and prefetch just ahead of themselves, as in
    /// linear_tiles.h; many share the prefetching of the next panel.
    static Prefetching prefetching(const Value* panel, int depth, int pair, int pairs) {
        const char* here = reinterpret_cast<const char*>(panel);
        if (pairs <= kFewPairs) return {here + kNear, pair == 0 ? kStepBytes : 0};
        const int steps = depth / kDepth, lines = (kStepBytes / 64 + pairs - 1) / pairs;
        return {here + size_t(steps) * (kStepBytes + pair * lines * 64), lines * 64};
    }

    /// Tiles 0 to 3 hold sums (two by two), 4 and 5 hold x, 6 and 7 the panel.
    template <bool TwoRows>
    static void multiply_tiles(const Input* upper, const Input* lower, size_t x_stride,
                               const Value* panel, int depth, Prefetching ahead, Sum* upper_sums,
                               Sum* lower_sums) {
        constexpr long panel_row = kPanel * kStep * sizeof(Value), sums_row = kPanel * sizeof(Sum);
        const long x_row = static_cast<long>(x_stride * sizeof(Input));
        _tile_zero(0);
        _tile_zero(1);
        if (TwoRows) {
            _tile_zero(2);
            _tile_zero(3);
        }
        for (int k = 0; k < depth;
             k += kDepth, panel += kDepth * kPanel, ahead.from += ahead.bytes_per_step) {
            for (int i = 0; i < ahead.bytes_per_step; i += 64)
                __builtin_prefetch(ahead.from + i, 0, 2);
            _tile_loadd(6, panel, panel_row);
            _tile_loadd(7, panel + kLanes * kStep, panel_row);
            _tile_loadd(4, upper + k, x_row);
            Tiles::multiply_upper();
            if (TwoRows) {
                _tile_loadd(5, lower + k, x_row);
                Tiles::multiply_lower();
            }
        }
        _tile_stored(0, upper_sums, sums_row);
        _tile_stored(1, upper_sums + kLanes, sums_row);
        if (TwoRows) {
            _tile_stored(2, lower_sums, sums_row);
            _tile_stored(3, lower_sums + kLanes, sums_row);
        }
    }
};

/// A kernel's `run`, with the tiles configured around it.
template <void (*run)(const LinearTask&, void*)>
void with_tiles(const LinearTask& task, void* scratch) {
    const TileScope tiles(smaller(task.rows, kTileRows));
    run(task, scratch);
}

}  // namespace
}  // namespace ltp
