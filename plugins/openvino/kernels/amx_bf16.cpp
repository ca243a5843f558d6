// The bfloat16 kernel for AMX: 16 rows of queries or probabilities times two tiles of 16 columns.
#include "amx_tiles.h"
#include "attend_first.h"
#include "bf16_math.h"
#include "linear_amx.h"
#include "linear_int8.h"
#include "linear_tiles.h"

namespace ltp {
namespace {

constexpr size_t kTile =
    16 * kDepth;  // bfloat16 values in a tile of B, which is stored in one piece

struct AmxProduct {
    static constexpr int kRows =
        kTileRows;  // more would reuse B better, but push the scores out of the L1 cache

    static void multiply(int, const Bf16* a, int a_stride, const Bf16* b, int depth, int columns,
                         float* c, int c_stride) {
        const size_t b_stride = size_t(depth) * kLanes;
        for (int j = 0; j < columns; j += 2 * kLanes, b += 2 * b_stride) {
            const auto product =
                columns - j > kLanes ? multiply_tiles<true> : multiply_tiles<false>;
            product(a, a_stride, b, b_stride, depth, c + j, c_stride);
        }
    }

private:
    /// C[16][16 or 32] = A[16][depth] * B. Tiles 0 and 1 hold C, 2 holds A, 3 and 4 hold B.
    template <bool TwoColumns>
    static void multiply_tiles(const Bf16* a, int a_stride, const Bf16* b, size_t b_stride,
                               int depth, float* c, int c_stride) {
        const long a_bytes = long(a_stride) * sizeof(Bf16),
                   c_bytes = long(c_stride) * sizeof(float);
        _tile_zero(0);
        if (TwoColumns) _tile_zero(1);
        for (int k = 0; k < depth; k += kDepth, b += kTile) {
            _tile_loadd(2, a + k, a_bytes);
            _tile_loadd(3, b, 64);
            _tile_dpbf16ps(0, 2, 3);
            if (TwoColumns) {
                _tile_loadd(4, b + b_stride, 64);
                _tile_dpbf16ps(1, 2, 4);
            }
        }
        _tile_stored(0, c, c_bytes);
        if (TwoColumns) _tile_stored(1, c + kLanes, c_bytes);
    }
};

struct Int8Tiles {
    static constexpr Weight kWeight = Weight::INT8;
    using Value = int8_t;
    using Sum = int32_t;
    using Input = uint8_t;

    static void multiply_upper() {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
    }
    static void multiply_lower() {
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
};

constexpr LinearKernel amx_linear() {
    LinearKernel kernel = linear_kernel<AmxLinear<Bf16Tiles>, Bf16>();
    kernel.run = with_tiles<linear<AmxLinear<Bf16Tiles>, Bf16>>;
    return kernel;
}

template <class E>
constexpr LinearKernel amx_int8() {
    LinearKernel kernel = int8_kernel<AmxLinear<Int8Tiles>, E>();
    kernel.run = with_tiles<Int8Linear<AmxLinear<Int8Tiles>>::run<E>>;
    return kernel;
}

template <class E>
void attend_with_tiles(const HeadTask& task, void* scratch) {
    const TileScope tiles;
    attend<Bf16Math<AmxProduct>, E>(task, scratch);
}

}  // namespace

const Kernel kernel_amx_bf16 = {
    "amx_bf16",
    scratch_bytes<Bf16Math<AmxProduct>>,
    {attend_with_tiles<float>, attend_with_tiles<Bf16>},
    {attend_first<float>, attend_first<Bf16>},
    {{linear_kernel<LinearTiles<F32Products>, float>(), {}},
     {linear_kernel<LinearTiles<Bf16Products>, float>(), amx_linear()},
     {amx_int8<float>(), amx_int8<Bf16>()}},
};

}  // namespace ltp
