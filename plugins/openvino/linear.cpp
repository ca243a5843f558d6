#include "linear.h"

#include <algorithm>
#include <vector>

#include "panels.h"
#include "scratch.h"

namespace ltp {
namespace {

constexpr size_t kCachedInput =
    size_t{1} << 20;  // bytes of x that stay in a core's cache while the weights are read

template <class Int>
Int parts(Int count, int at_once) {
    return (count + at_once - 1) / at_once;
}

/// How to cut rows x panels among threads: `rows` parts of the rows times `panels` parts of the
/// panels.
struct Grid {
    int rows, panels;
};

/// About the least work for whoever has most, and of what has that the least reading: each part of
/// the rows reads its columns anew, and each part of the columns makes its rows ready anew.
Grid best_grid(int row_tiles, int panels, int threads, const LinearKernel& kernel) {
    const auto work = [&](const Grid& grid) {
        return double(parts(row_tiles, grid.rows)) * parts(panels, grid.panels);
    };
    const auto reading = [&](const Grid& grid) {
        return parts(panels, grid.panels) * kPanel +
               kernel.row_cost * parts(row_tiles, grid.rows) * kernel.tile_rows;
    };
    Grid fastest{1, 1};
    std::vector<Grid> grids;
    for (int r = 1; r <= std::min(threads, row_tiles); ++r) {
        grids.push_back({r, std::min(threads / r, panels)});
        if (work(grids.back()) < work(fastest)) fastest = grids.back();
    }
    constexpr double kAsGood = 1.03;
    Grid best = fastest;
    for (const Grid& grid : grids)
        if (work(grid) <= kAsGood * work(fastest) && reading(grid) < reading(best)) best = grid;
    return best;
}

/// Adds the residual to rows from `first` to `end` of y and normalizes them.
void normalize(const ResidualNorm& norm, void* y, int first, int end, int columns,
               const LinearKernel& kernel) {
    const size_t before = size_t(first) * columns * kernel.element_size;
    NormTask task{static_cast<char*>(y) + before,
                  norm.residual,
                  nullptr,
                  end - first,
                  columns,
                  norm.gamma,
                  norm.beta,
                  norm.epsilon};
    if (norm.rows)
        task.residual_rows = norm.rows + first;
    else
        task.residual = static_cast<const char*>(norm.residual) + before;
    kernel.normalize(task);
}

/// So many values are normalized sooner than another thread is told to.
constexpr int kLeastToShare = 1 << 14;

}  // namespace

void linear(const void* x, int rows, const PackedWeights& weights, const LinearKernel& kernel,
            Activation activation, void* y, int threads, ParallelFor parallel_for,
            const ResidualNorm* norm) {
    const int panels = panels_of(weights.columns);
    const size_t panel_bytes = layout_of(weights.type).bytes(weights.depth);
    const int row_tiles = parts(rows, kernel.tile_rows);
    const int cached_tiles = kCachedInput / (weights.depth * kernel.input_size) / kernel.tile_rows;
    const int block_tiles = std::clamp(cached_tiles, 1, kernel.block_tiles);
    const Grid grid = best_grid(row_tiles, panels, threads, kernel);
    parallel_for(grid.rows * grid.panels, [&](int task) {
        const int r = task / grid.panels, p = task % grid.panels;
        const int first_tile = row_tiles * r / grid.rows,
                  end_tile = row_tiles * (r + 1) / grid.rows;
        const int first_panel = panels * p / grid.panels,
                  end_panel = panels * (p + 1) / grid.panels;
        const int column = first_panel * kPanel;
        LinearTask part;
        part.depth = weights.depth;
        part.input = weights.input;
        part.panels = static_cast<const char*>(weights.panels) + first_panel * panel_bytes;
        part.columns = std::min(end_panel * kPanel, weights.columns) - column;
        part.activation = activation;
        part.y_stride = weights.columns;
        const int tiles = end_tile - first_tile, blocks = parts(tiles, block_tiles);
        for (int block = 0; block < blocks; ++block) {
            const int first = (first_tile + tiles * block / blocks) * kernel.tile_rows;
            const int end =
                std::min((first_tile + tiles * (block + 1) / blocks) * kernel.tile_rows, rows);
            part.x =
                static_cast<const char*>(x) + size_t(first) * weights.depth * kernel.element_size;
            part.rows = end - first;
            part.y = static_cast<char*>(y) +
                     (size_t(first) * weights.columns + column) * kernel.element_size;
            thread_local Scratch scratch;
            kernel.run(part, scratch.get(kernel.scratch_bytes(part.rows, part.depth)));
            if (norm && grid.panels == 1) normalize(*norm, y, first, end, weights.columns, kernel);
        }
    });
    if (!norm || grid.panels == 1) return;
    const int64_t shares = parts(int64_t(rows) * weights.columns, kLeastToShare);
    const int tasks = static_cast<int>(std::min<int64_t>({shares, threads, rows}));
    const auto share = [&](int task) {
        const auto at = [&](int i) { return static_cast<int>(int64_t(rows) * i / tasks); };
        normalize(*norm, y, at(task), at(task + 1), weights.columns, kernel);
    };
    if (tasks == 1)
        share(0);
    else
        parallel_for(tasks, share);
}

}  // namespace ltp
