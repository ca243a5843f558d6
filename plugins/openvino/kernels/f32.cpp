// The float32 kernel, compiled once per instruction set with LTP_LANES, LTP_TILE_VECS and LTP_KERNEL set.
#include "attend.h"

namespace ltp {
namespace {

constexpr int kTileRows = 6;  // with LTP_TILE_VECS accumulators per row this fills the register file
constexpr int kTileVecs = LTP_TILE_VECS;
constexpr int kPanel = kTileVecs * kLanes;  // columns of the right-hand matrix stored together

/// C[M][N * kLanes] = A[M][depth] * B[depth][kPanel]
template <int M, int N>
void tile(const float* a, int a_stride, const float* b, int depth, float* c, int c_stride) {
    Vec sum[M][N] = {};
    for (int k = 0; k < depth; ++k) {
        Vec row[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) row[j] = load(b + size_t(k) * kPanel + j * kLanes);
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) {
            const Vec x = splat(a[size_t(i) * a_stride + k]);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) sum[i][j] += x * row[j];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) store(c + size_t(i) * c_stride + j * kLanes, sum[i][j]);
}

using Tile = void (*)(const float*, int, const float*, int, float*, int);

template <size_t... I>
struct TileTable {
    static constexpr Tile get[] = {tile<I / kTileVecs + 1, I % kTileVecs + 1>...};
};
template <size_t... I>
TileTable<I...> make_tile_table(std::index_sequence<I...>);
using Tiles = decltype(make_tile_table(std::make_index_sequence<kTileRows * kTileVecs>()));

/// C[m][columns] = A[m][depth] * B, with B in panels of [depth][kPanel]. Whole vectors of C are written.
void multiply(int m, const float* a, int a_stride, const float* b, int depth, int columns, float* c, int c_stride) {
    for (int j = 0; j < columns; j += kPanel, b += size_t(depth) * kPanel) {
        const int vecs = smaller(kTileVecs, round_up(columns - j, kLanes) / kLanes);
        for (int i = 0; i < m; i += kTileRows) {
            const int rows = smaller(kTileRows, m - i);
            Tiles::get[(rows - 1) * kTileVecs + vecs - 1](a + size_t(i) * a_stride, a_stride, b, depth,
                                                          c + size_t(i) * c_stride + j, c_stride);
        }
    }
}

class F32Math {
public:
    static constexpr int kBlock = 2 * kTileRows;

    F32Math(Arena& arena, int count, int head_size)
        : count_(count), head_size_(head_size), query_stride_(round_up(head_size, kLanes)),
          keys_(arena.take<float>(size_t(round_up(count, kPanel)) * query_stride_)),
          values_(arena.take<float>(size_t(count) * round_up(head_size, kPanel))),
          queries_(arena.take<float>(kBlock * query_stride_)) {}

    template <class E>
    void pack_keys(const Rows<E>& keys) {
        for (int j = 0; j < count_; j += kLanes) {
            float* column = keys_ + size_t(j / kPanel * kPanel) * head_size_ + j % kPanel;
            for (int d = 0; d < head_size_; d += kLanes) {
                Vec block[kLanes];
                for (int i = 0; i < kLanes; ++i) block[i] = keys.lanes(j + i, d);
                transpose(block);
                for (int i = 0; i < smaller(kLanes, head_size_ - d); ++i)
                    store(column + size_t(d + i) * kPanel, block[i]);
            }
        }
    }

    template <class E>
    void pack_values(const Rows<E>& values) {
        float* to = values_;
        for (int panel = 0; panel < head_size_; panel += kPanel)
            for (int i = 0; i < count_; ++i, to += kPanel)
                for (int c = 0; c < smaller(kPanel, head_size_ - panel); c += kLanes)
                    store(to + c, values.lanes(i, panel + c));
    }

    template <class E>
    void pack_queries(const Rows<E>& queries, int first, int m) {
        for (int i = 0; i < m; ++i)
            for (int c = 0; c < head_size_; c += kLanes)
                store(queries_ + i * query_stride_ + c, queries.lanes(first + i, c));
    }

    void scores(int m, float* s, int stride) const {
        multiply(m, queries_, query_stride_, keys_, head_size_, count_, s, stride);
    }
    void store_probability(float* s, int, int column, Vec v) { store(s + column, v); }
    void context(int m, const float* s, int stride, float* c) const {
        multiply(m, s, stride, values_, count_, head_size_, c, context_stride(head_size_));
    }

private:
    int count_, head_size_, query_stride_;
    float *keys_, *values_, *queries_;
};

/// One query row: too little arithmetic to pay for packing, so keys and values are read where they are.
template <class E>
void attend_first(const HeadTask& task, void* scratch) {
    const Rows<E> queries(task.query, task), keys(task.key, task), values(task.value, task);
    const int count = task.count, width = task.head_size;
    Arena arena(scratch);
    Buffers<F32Math> buffers(arena, count, width);
    for (int j = 0; j < count; ++j) {
        Vec dot{};
        for (int c = 0; c < width; c += kLanes) dot += queries.lanes(0, c) * keys.lanes(j, c);
        buffers.scores[j] = reduce_add(dot);
    }
    const float weight = softmax_row(buffers.math, buffers.scores, 0, count, softmax_scale(width));
    memset(buffers.context, 0, context_stride(width) * sizeof(float));
    for (int j = 0; j < count; ++j) {
        const Vec p = splat(buffers.scores[j]);
        for (int c = 0; c < width; c += kLanes)
            store(buffers.context + c, load(buffers.context + c) + p * values.lanes(j, c));
    }
    store_context<E>(task, 0, 1, buffers.context, &weight);
}

}  // namespace

#define LTP_STRING(x) #x
#define LTP_KERNEL_NAME(x) LTP_STRING(x)

const Kernel LTP_KERNEL = {
    LTP_KERNEL_NAME(LTP_ISA_NAME),
    scratch_bytes<F32Math>,
    {attend<F32Math, float>, attend<F32Math, Bf16>},
    {attend_first<float>, attend_first<Bf16>},
};

}  // namespace ltp
