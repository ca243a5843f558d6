#include "linear.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "scratch.h"

namespace ltp {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCachedInput = size_t{1} << 20;  // bytes of x that a core keeps at hand while the weights pass by

/// Weights are read from end to end, which huge pages make faster (a quarter more bandwidth, measured).
char* allocate(size_t bytes) {
    void* memory = std::aligned_alloc(kHugePage, (bytes + kHugePage - 1) / kHugePage * kHugePage);
    if (!memory) throw std::bad_alloc();
#if defined(__linux__)
    // Only whole pages: the rest of the last one would be wasted. Refusal does no harm.
    if (const size_t whole = bytes / kHugePage * kHugePage) madvise(memory, whole, MADV_HUGEPAGE);
#endif
    return static_cast<char*>(memory);
}

int parts(int count, int at_once) { return (count + at_once - 1) / at_once; }

/// How to cut rows x panels among threads: `rows` parts of the rows times `panels` parts of the panels.
struct Grid {
    int rows, panels;
};

Grid best_grid(int row_tiles, int panels, int threads) {
    Grid best{1, 1};
    long least = long{row_tiles} * panels;
    for (int r = 1; r <= std::min(threads, row_tiles); ++r) {  // at equal work, rather cut the panels: every part of
        const int p = std::min(threads / r, panels);           // the rows reads its panels anew
        const long most = long{parts(row_tiles, r)} * parts(panels, p);
        if (most < least) best = {r, p}, least = most;
    }
    return best;
}

}  // namespace

PackedWeights::PackedWeights(const float* weight, int columns, int depth, const LinearKernel& kernel,
                             ParallelFor parallel_for)
    : kernel(kernel), columns(columns), depth(depth), panels_(parts(columns, kernel.panel_columns)),
      panel_bytes_(kernel.panel_bytes(depth)), memory_(allocate(panels_ * panel_bytes_)) {
    parallel_for(panels_, [&](int i) {
        const int first = i * kernel.panel_columns;
        kernel.pack_panel(weight + size_t(first) * depth, std::min(kernel.panel_columns, columns - first), depth,
                          memory_ + i * panel_bytes_);
    });
}

PackedWeights::~PackedWeights() { std::free(memory_); }

void linear(const void* x, int rows, const PackedWeights& weights, const float* bias, Activation activation, void* y,
            int threads, ParallelFor parallel_for) {
    const LinearKernel& kernel = weights.kernel;
    const size_t element_size = kernel.element_size;
    const int row_tiles = parts(rows, kernel.tile_rows);
    const int cached_tiles = std::max<int>(1, kCachedInput / (weights.depth * element_size) / kernel.tile_rows);
    const Grid grid = best_grid(row_tiles, weights.panels(), threads);
    parallel_for(grid.rows * grid.panels, [&](int task) {
        const int r = task / grid.panels, p = task % grid.panels;
        const int first_tile = row_tiles * r / grid.rows, end_tile = row_tiles * (r + 1) / grid.rows;
        const int first_panel = weights.panels() * p / grid.panels, end_panel = weights.panels() * (p + 1) / grid.panels;
        const int column = first_panel * kernel.panel_columns;
        LinearTask part;
        part.depth = weights.depth;
        part.panels = weights.panel(first_panel);
        part.bias = bias + column;
        part.columns = std::min(end_panel * kernel.panel_columns, weights.columns) - column;
        part.activation = activation;
        part.y_stride = weights.columns;
        const int tiles = end_tile - first_tile, blocks = parts(tiles, cached_tiles);
        for (int block = 0; block < blocks; ++block) {
            const int first = (first_tile + tiles * block / blocks) * kernel.tile_rows;
            const int end = std::min((first_tile + tiles * (block + 1) / blocks) * kernel.tile_rows, rows);
            part.x = static_cast<const char*>(x) + size_t(first) * weights.depth * element_size;
            part.rows = end - first;
            part.y = static_cast<char*>(y) + (size_t(first) * weights.columns + column) * element_size;
            thread_local Scratch scratch;
            kernel.run(part, scratch.get(kernel.scratch_bytes(part.rows, part.depth)));
        }
    });
}

}  // namespace ltp
