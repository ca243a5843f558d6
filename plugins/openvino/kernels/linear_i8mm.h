// A panel of bytes times rows by Arm's I8MM: USMMLA multiplies 8 bytes of two rows with 8 bytes of
// two columns and adds to the 2 x 2 sums.
#pragma once

#include "linear.h"
#include "tile_table.h"

namespace ltp {
namespace {

class ByteMatrices {
public:
    static constexpr Weight kWeight = Weight::INT8;
    using Value = int8_t;
    using Sum = int32_t;
    using Input = uint8_t;
    static constexpr int kRows = kRegisterRows;
    static constexpr int kBlockTiles = 72 / kRows;

    static void arrange(uint8_t*, int, int&) {}

    template <class Output>
    static void multiply(int rows, const uint8_t* x, size_t x_stride, const int8_t* panel,
                         int depth, int32_t* sums, const Output& output) {
        const int tiles = (rows + kRows - 1) / kRows;
        for (int i = 0; i < tiles; ++i) {
            const int first = rows * i / tiles, end = rows * (i + 1) / tiles;
            output.announce(first, end);
            for (int c = 0; c < kPanel; c += kColumns)
                TileTable<Tile, kRows, 1>::get(end - first, 1)(x + first * x_stride, x_stride,
                                                               panel + c * kStep, depth,
                                                               sums + size_t(first) * kPanel + c);
            output.write(first, end);
        }
    }

private:
    static constexpr int kStep = layout_of(kWeight).step, kStepBytes = kPanel * kStep;
    static constexpr int kColumns = 16;
    static constexpr int kNear = 2048;  // bytes that weights are prefetched ahead of their use

    static uint8x16_t rows_of(const uint8_t* upper, const uint8_t* lower) {
        return vcombine_u8(vld1_u8(upper), vld1_u8(lower));
    }

    template <int M, int>
    struct Tile {
        /// sums[M][kColumns] = x[M][depth] * panel, two steps at a time.
        static void run(const uint8_t* x, size_t x_stride, const int8_t* panel, int depth,
                        int32_t* sums) {
            constexpr int kRowPairs = (M + 1) / 2, kColumnPairs = kColumns / 2;
            int32x4_t sum[kRowPairs][kColumnPairs] = {};
            for (int k = 0; k < depth; k += 2 * kStep, panel += 2 * kStepBytes) {
                for (int line = 0; line < 2 * kStepBytes;
                     line += 2 * 64)  // the other tile has others
                    __builtin_prefetch(panel + kNear + line, 0, 2);
                uint8x16_t rows[kRowPairs];
#pragma GCC unroll 4
                for (int i = 0; i < kRowPairs; ++i)  // of an odd number the last counts twice
                    rows[i] = rows_of(x + 2 * i * x_stride + k,
                                      x + smaller(2 * i + 1, M - 1) * x_stride + k);
#pragma GCC unroll 8
                for (int j = 0; j < kColumnPairs; j += 2) {
                    const int8_t* four = panel + 2 * j * kStep;  // columns
                    const int32x4_t near = vreinterpretq_s32_s8(vld1q_s8(four)),
                                    far = vreinterpretq_s32_s8(vld1q_s8(four + kStepBytes));
                    const int8x16_t left = vreinterpretq_s8_s32(vzip1q_s32(near, far)),
                                    right = vreinterpretq_s8_s32(vzip2q_s32(near, far));
#pragma GCC unroll 4
                    for (int i = 0; i < kRowPairs; ++i) {
                        sum[i][j] = vusmmlaq_s32(sum[i][j], rows[i], left);
                        sum[i][j + 1] = vusmmlaq_s32(sum[i][j + 1], rows[i], right);
                    }
                }
            }
#pragma GCC unroll 4
            for (int i = 0; i < kRowPairs; ++i)
#pragma GCC unroll 8
                for (int j = 0; j < kColumnPairs; j += 2) {
                    const int64x2_t left = vreinterpretq_s64_s32(sum[i][j]),
                                    right = vreinterpretq_s64_s32(sum[i][j + 1]);
                    int32_t* to = sums + 2 * i * kPanel + 2 * j;
                    vst1q_s32(to, vreinterpretq_s32_s64(vzip1q_s64(left, right)));
                    if (2 * i + 1 < M)
                        vst1q_s32(to + kPanel, vreinterpretq_s32_s64(vzip2q_s64(left, right)));
                }
        }
    };
};

}  // namespace
}  // namespace ltp
