// The bfloat16 kernel for AVX512_BF16: VDPBF16PS multiplies pairs.
#include "attend_first.h"
#include "bf16_math.h"
#include "linear_int8.h"
#include "linear_tiles.h"
#include "tile_table.h"

namespace ltp {
namespace {

constexpr int kTileRows = kRegisterRows;

template <int M, int N>
struct Tile {
    /// C[M][N * 16] = A[M][2 * pairs] * B, whose groups of 16 columns are b_stride apart.
    static void run(const Bf16* a, int a_stride, const Bf16* b, size_t b_stride, int pairs,
                    float* c, int c_stride) {
        __m512 sum[M][N] = {};
        for (int k = 0; k < pairs; ++k) {
            __m512bh column[N];
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j)
                column[j] = (__m512bh)_mm512_load_si512(b + j * b_stride + k * 2 * kLanes);
#pragma GCC unroll 16
            for (int i = 0; i < M; ++i) {
                int pair;
                memcpy(&pair, a + size_t(i) * a_stride + 2 * k, sizeof pair);
                const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 8
                for (int j = 0; j < N; ++j) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], x, column[j]);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j)
                _mm512_storeu_ps(c + size_t(i) * c_stride + j * kLanes, sum[i][j]);
    }
};

struct DotProduct {
    static constexpr int kRows = kTileRows;

    static void multiply(int m, const Bf16* a, int a_stride, const Bf16* b, int depth, int columns,
                         float* c, int c_stride) {
        const size_t b_stride = size_t(depth) * kLanes;
        for (int j = 0; j < columns; j += 2 * kLanes, b += 2 * b_stride) {
            const int vecs = columns - j > kLanes ? 2 : 1;
            TileTable<Tile, kTileRows, 2>::get(m, vecs)(a, a_stride, b, b_stride, depth / 2, c + j,
                                                        c_stride);
        }
    }
};

struct Bf16DotProducts {
    static constexpr Weight kWeight = Weight::BF16;
    using Value = Bf16;
    using Sum = float;
    using Input = Bf16;
    static constexpr int kParts = 1;
    template <int>
    static __m512bh load(const Bf16* weights) {
        return (__m512bh)_mm512_loadu_si512(weights);
    }
    static Vec multiply_add(Vec sum, const Bf16* x, __m512bh weights) {
        int pair;
        memcpy(&pair, x, sizeof pair);
        return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), weights);
    }
};

}  // namespace

const Kernel kernel_avx512_bf16 = {
    "avx512_bf16",
    scratch_bytes<Bf16Math<DotProduct>>,
    {attend<Bf16Math<DotProduct>, float>, attend<Bf16Math<DotProduct>, Bf16>},
    {attend_first<float>, attend_first<Bf16>},
    {{linear_kernel<LinearTiles<F32Products>, float>(), {}},
     {linear_kernel<LinearTiles<Bf16Products>, float>(),
      linear_kernel<LinearTiles<Bf16DotProducts>, Bf16>()},
     {int8_kernel<LinearTiles<Int8Products>, float>(),
      int8_kernel<LinearTiles<Int8Products>, Bf16>()}},
};

}  // namespace ltp
