// The bfloat16 products: operands rounded to bfloat16, sums in float32. How a block of products is
// multiplied is the parameter `Product`:
//
//   kRows                   query rows per block
//   multiply(m, a, a_stride, b, depth, columns, c, c_stride)
//     C[m][columns] = A[m][depth] * B, writing whole groups of 16 columns. A is row-major bfloat16
//     in whole tiles of 16 x 32; rows from m on mean nothing. B is 16 columns after 16 columns,
//     each as [depth / 2][16][2]: pairs of consecutive depths side by side, which is how both
//     VDPBF16PS and AMX want it.
#pragma once

#include "attend.h"

namespace ltp {
namespace {

static_assert(kLanes == 16, "the bfloat16 layouts have 16 columns");

constexpr int kDepth =
    32;  // bfloat16 values in a row of a tile; every depth is padded to a multiple of it

inline __m512i to_bf16(Vec low, Vec high) {
    return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

/// Two rows of 16 values interleaved: a0 b0 a1 b1 ...
inline __m512i pair_rows(Vec a, Vec b) {
    const __m512i halves = to_bf16(a, b);
    const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(halves));
    const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(halves, 1));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

template <class Product>
class Bf16Math {
public:
    static constexpr int kBlock = Product::kRows;

    Bf16Math(Arena& arena, int count, int head_size)
        : count_(count),
          head_size_(head_size),
          head_depth_(round_up(head_size, kDepth)),
          count_depth_(round_up(count, kDepth)),
          probability_stride_(count_depth_ + kDepth),
          keys_(arena.take<Bf16>(size_t(round_up(count, kLanes)) * head_depth_)),
          values_(arena.take<Bf16>(size_t(round_up(head_size, kLanes)) * count_depth_)),
          queries_(arena.take<Bf16>(kPaddedRows * head_depth_)),
          probabilities_(arena.take<Bf16>(size_t(kPaddedRows) * probability_stride_)) {}

    template <class E>
    void pack_keys(const Rows<E>& keys) {
        Bf16* to = keys_;
        for (int j = 0; j < count_; j += kLanes)
            for (int d = 0; d < head_depth_; d += kDepth) {
                VecInt block[kLanes];
                for (int i = 0; i < kLanes; ++i)
                    block[i] = (VecInt)to_bf16(keys.lanes(j + i, d), keys.lanes(j + i, d + kLanes));
                transpose(block);
                for (int i = 0; i < kLanes; ++i, to += 2 * kLanes)
                    memcpy(to, &block[i], sizeof block[i]);
            }
    }

    template <class E>
    void pack_values(const Rows<E>& values) {
        Bf16* to = values_;
        for (int c = 0; c < head_size_; c += kLanes)
            for (int j = 0; j < count_depth_; j += 2, to += 2 * kLanes)
                _mm512_store_si512(to, pair_rows(values.lanes(j, c), values.lanes(j + 1, c)));
    }

    template <class E>
    void pack_queries(const Rows<E>& queries, int first, int m) {
        for (int i = 0; i < m; ++i)
            for (int d = 0; d < head_depth_; d += kDepth)
                _mm512_store_si512(
                    queries_ + i * head_depth_ + d,
                    to_bf16(queries.lanes(first + i, d), queries.lanes(first + i, d + kLanes)));
    }

    void scores(int m, float* s, int stride) const {
        Product::multiply(m, queries_, head_depth_, keys_, head_depth_, count_, s, stride);
    }

    void context(int m, const float* s, int stride, float* c) const {
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < count_; j += kDepth) {
                const float* from = s + size_t(i) * stride + j;
                const Vec high = j + kLanes < count_ ? load(from + kLanes) : Vec{};
                _mm512_store_si512(probabilities_ + size_t(i) * probability_stride_ + j,
                                   to_bf16(load(from), high));
            }
        Product::multiply(m, probabilities_, probability_stride_, values_, count_depth_, head_size_,
                          c, context_stride(head_size_));
    }

private:
    static constexpr int kPaddedRows = round_up(kBlock, 16);

    int count_, head_size_, head_depth_, count_depth_, probability_stride_;
    Bf16 *keys_, *values_, *queries_, *probabilities_;
};

}  // namespace
}  // namespace ltp
