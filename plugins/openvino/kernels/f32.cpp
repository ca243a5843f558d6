// The float32 kernel, compiled once per instruction set with LTP_LANES and LTP_KERNEL set.
#include "attend.h"
#include "attend_first.h"
#include "linear_int8.h"
#include "linear_tiles.h"
#include "tile_table.h"
#if defined(LTP_NEON) && defined(__ARM_FEATURE_MATMUL_INT8)
#include "linear_i8mm.h"
#endif

namespace ltp {
namespace {

constexpr int kTileRows = kRegisterRows;
constexpr int kColumns = kTileVecs * kLanes;  // columns of the right-hand matrix stored together

template <int M, int N>
struct Tile {
    /// C[M][N * kLanes] = A[M][depth] * B[depth][kColumns]
    static void run(const float* a, int a_stride, const float* b, int depth, float* c,
                    int c_stride) {
        Vec sum[M][N] = {};
        for (int k = 0; k < depth; ++k) {
            Vec row[N];
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) row[j] = load(b + size_t(k) * kColumns + j * kLanes);
#pragma GCC unroll 16
            for (int i = 0; i < M; ++i) {
                const Vec x = splat(a[size_t(i) * a_stride + k]);
#pragma GCC unroll 8
                for (int j = 0; j < N; ++j) sum[i][j] += x * row[j];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) store(c + size_t(i) * c_stride + j * kLanes, sum[i][j]);
    }
};

/// The vectors that so many columns take, `most` at most.
template <int most>
constexpr int vecs_of(int columns) {
    if constexpr (most == 1)
        return 1;
    else
        return columns > (most - 1) * kLanes ? most : vecs_of<most - 1>(columns);
}

/// C[m][columns] = A[m][depth] * B, with m up to kTileRows and B in panels of [depth][kColumns].
/// Whole vectors of C are written.
void multiply(int m, const float* a, int a_stride, const float* b, int depth, int columns, float* c,
              int c_stride) {
    for (int j = 0; j < columns; j += kColumns, b += size_t(depth) * kColumns) {
        const int vecs = vecs_of<kTileVecs>(columns - j);
        TileTable<Tile, kTileRows, kTileVecs>::get(m, vecs)(a, a_stride, b, depth, c + j, c_stride);
    }
}

class F32Math {
public:
    static constexpr int kBlock = kTileRows;

    F32Math(Arena& arena, int count, int head_size)
        : count_(count),
          head_size_(head_size),
          query_stride_(round_up(head_size, kLanes)),
          keys_(arena.take<float>(size_t(round_up(count, kColumns)) * query_stride_)),
          values_(arena.take<float>(size_t(count) * round_up(head_size, kColumns))),
          queries_(arena.take<float>(kBlock * query_stride_)) {}

    template <class E>
    void pack_keys(const Rows<E>& keys) {
        for (int j = 0; j < count_; j += kLanes) {
            float* column = keys_ + size_t(j / kColumns * kColumns) * head_size_ + j % kColumns;
            for (int d = 0; d < head_size_; d += kLanes) {
                Vec block[kLanes];
                for (int i = 0; i < kLanes; ++i) block[i] = keys.lanes(j + i, d);
                transpose(block);
                for (int i = 0; i < smaller(kLanes, head_size_ - d); ++i)
                    store(column + size_t(d + i) * kColumns, block[i]);
            }
        }
    }

    template <class E>
    void pack_values(const Rows<E>& values) {
        float* to = values_;
        for (int panel = 0; panel < head_size_; panel += kColumns)
            for (int i = 0; i < count_; ++i, to += kColumns)
                for (int c = 0; c < smaller(kColumns, head_size_ - panel); c += kLanes)
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
    void context(int m, const float* s, int stride, float* c) const {
        multiply(m, s, stride, values_, count_, head_size_, c, context_stride(head_size_));
    }

private:
    int count_, head_size_, query_stride_;
    float *keys_, *values_, *queries_;
};

#if defined(LTP_NEON) && defined(__ARM_FEATURE_MATMUL_INT8)
using Int8Product = ByteMatrices;
#else
using Int8Product = LinearTiles<Int8Products>;
#endif

}  // namespace

#define LTP_STRING(x) #x
#define LTP_KERNEL_NAME(x) LTP_STRING(x)

const Kernel LTP_KERNEL = {
    LTP_KERNEL_NAME(LTP_ISA_NAME),
    scratch_bytes<F32Math>,
    {attend<F32Math, float>, attend<F32Math, Bf16>},
    {attend_first<float>, attend_first<Bf16>},
    {{linear_kernel<LinearTiles<F32Products>, float>(), {}},
     {linear_kernel<LinearTiles<Bf16Products>, float>(),
      linear_kernel<LinearTiles<Bf16Products>, Bf16>()},
     {int8_kernel<Int8Product, float>(), int8_kernel<Int8Product, Bf16>()}},
};

}  // namespace ltp
