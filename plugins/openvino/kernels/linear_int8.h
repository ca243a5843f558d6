// The linear layer in int8. Rows are made bytes first; a panel is then multiplied as in linear.h,
// by a `Product` whose Sum is int32_t, and its sums are made real numbers again:
//
//   x ~ s_x (q_x - z),  W ~ s_w q_w   =>   x W^T ~ s_x s_w (sum q_x q_w - z sum q_w)
//
// s_x and z are the row's, s_w the column's. A Product's arrange(row, depth, zero_point) brings the
// bytes of a row, and z with them, into the form in which it multiplies them.
#pragma once

#include "linear_tiles.h"

namespace ltp {
namespace {

inline Vec to_float(VecInt v) { return __builtin_convertvector(v, Vec); }

/// The nearest integers to x + zero, cut off at 0 and 255; of NaN any.
template <class To>
inline void store_bytes(To* to, Vec x, VecInt zero) {
    const Vec magic =
        splat(12582912.f);  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
    x = x < splat(1024.f) ? x : splat(1024.f);
    VecInt value = (VecInt)(larger(x, splat(-1024.f)) + magic) - (VecInt)magic + zero;
    value = value > VecInt{} ? value : VecInt{};
    value = value < 255 ? value : 255 - VecInt{};
#if defined(__AVX512F__)
    const __m128i bytes = _mm512_cvtepi32_epi8((__m512i)value);
    static_assert(sizeof(To) == 1 || sizeof(To) == 2, "bytes, or bytes in 16 bits");
    if constexpr (sizeof(To) == 1)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    else
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_cvtepu8_epi16(bytes));
#elif defined(LTP_NEON)
    const uint16x4_t halves = vmovn_u32((uint32x4_t)value);
    static_assert(sizeof(To) == 1 || sizeof(To) == 2, "bytes, or bytes in 16 bits");
    if constexpr (sizeof(To) == 1) {
        const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
        memcpy(to, &bytes, kLanes);
    } else {
        memcpy(to, &halves, sizeof halves);
    }
#else
    typedef To Narrow __attribute__((vector_size(kLanes * sizeof(To))));
    const Narrow narrow = __builtin_convertvector(value, Narrow);
    memcpy(to, &narrow, sizeof narrow);
#endif
}

struct Range {
    float least, most;
};

// As integers, floats are in order once the magnitude bits of the negative ones are turned over;
// NaN lies at the ends.
inline VecInt in_order(VecInt bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

inline float from_order(int32_t bits) {
    bits ^= (bits >> 31) & 0x7fffffff;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// Zero and all values lie in it; NaN is an end of it if there is one.
template <class E>
inline Range range(const E* x, int depth) {
    VecInt least{}, most{};
    for (int k = 0; k < depth; k += kLanes) {
        const VecInt values = in_order((VecInt)load(x + k, depth - k));
        least = values < least ? values : least;
        most = values > most ? values : most;
    }
    int32_t ends[2] = {};
    for (int i = 0; i < kLanes; ++i) {
        ends[0] = smaller(ends[0], least[i]);
        ends[1] = ends[1] > most[i] ? ends[1] : most[i];
    }
    return {from_order(ends[0]), from_order(ends[1])};
}

template <class E>
inline bool all_finite(const E* x, int depth) {
    Vec nothing{};
    for (int k = 0; k < depth; k += kLanes) nothing += load(x + k, depth - k) * Vec{};
    float sum = 0;
    for (int i = 0; i < kLanes; ++i) sum += nothing[i];
    return sum == 0;
}

/// One factor for all columns, or each its own.
struct SameFactor {
    float value;
    Vec at(int) const { return splat(value); }
};
struct OwnFactors {
    const float* values;
    Vec at(int k) const { return load(values + k); }
};

template <class E, class Factor, class Input>
inline void multiply_to_bytes(const E* x, int depth, Factor factor, int zero_point, Input* q) {
    for (int k = 0; k < depth; k += kLanes)
        store_bytes(q + k, load(x + k, depth - k) * factor.at(k),
                    zero_point - VecInt{});  // the last into the padding
}

#if defined(__AVX512BW__)
// The same for bfloat16, 32 at a time: pairs are taken apart by shifts and masks, and put together
// likewise.

inline __mmask32 first_halves(int count) { return count < 32 ? (1u << count) - 1 : ~0u; }

inline __m512i rounded(__m512i bits, __m512 factor) {
    const __m512 limit = _mm512_set1_ps(1024.f),
                 x = _mm512_mul_ps(_mm512_castsi512_ps(bits), factor);
    return _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(x, limit), -limit));
}

inline Range range(const Bf16* x, int depth) {
    __m512i least{}, most{};
    for (int k = 0; k < depth; k += 32) {
        const __m512i bits = _mm512_maskz_loadu_epi16(first_halves(depth - k), x + k);
        const __m512i turned =
            _mm512_and_si512(_mm512_srai_epi16(bits, 15), _mm512_set1_epi16(0x7fff));
        const __m512i values = _mm512_xor_si512(bits, turned);
        least = _mm512_min_epi16(least, values);
        most = _mm512_max_epi16(most, values);
    }
    const auto upper = [](__m512i pairs) { return _mm512_srai_epi32(pairs, 16); };
    const auto lower = [](__m512i pairs) {
        return _mm512_srai_epi32(_mm512_slli_epi32(pairs, 16), 16);
    };
    // The lower half of a float's bits must be turned over with the upper, or it would be lost: -x
    // would be read as one unit less.
    const int32_t ends[2] = {_mm512_reduce_min_epi32(_mm512_min_epi32(upper(least), lower(least))),
                             _mm512_reduce_max_epi32(_mm512_max_epi32(upper(most), lower(most)))};
    return {from_order(ends[0] * 65536 + (ends[0] < 0 ? 0xffff : 0)), from_order(ends[1] * 65536)};
}

inline bool all_finite(const Bf16* x, int depth) {
    const __m512i exponent = _mm512_set1_epi16(0x7f80);
    __mmask32 found = 0;
    for (int k = 0; k < depth; k += 32) {
        const __m512i bits = _mm512_maskz_loadu_epi16(first_halves(depth - k), x + k);
        found |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(bits, exponent), exponent);
    }
    return !found;
}

/// The factors of the even and of the odd ones among 32 columns.
struct PairFactors {
    __m512 even, odd;
};
inline PairFactors even_and_odd(SameFactor factor, int) {
    return {_mm512_set1_ps(factor.value), _mm512_set1_ps(factor.value)};
}
inline PairFactors even_and_odd(OwnFactors factor, int k) {
    const __m512 first = _mm512_loadu_ps(factor.values + k),
                 second = _mm512_loadu_ps(factor.values + k + 16);
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    return {_mm512_permutex2var_ps(first, even, second),
            _mm512_permutex2var_ps(first, odd, second)};
}

template <class Factor>
inline void multiply_to_bytes(const Bf16* x, int depth, Factor factor, int zero_point, uint8_t* q) {
    const __m512i zero = _mm512_set1_epi16(static_cast<short>(zero_point));
    for (int k = 0; k < depth; k += 32) {
        const __m512i pairs = _mm512_maskz_loadu_epi16(first_halves(depth - k), x + k);
        const auto [of_even, of_odd] = even_and_odd(factor, k);
        const __m512i even = rounded(_mm512_slli_epi32(pairs, 16), of_even);
        const __m512i odd =
            rounded(_mm512_and_si512(pairs, _mm512_set1_epi32(int(0xffff0000))), of_odd);
        const __m512i values =
            _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16));
        const __m512i shifted = _mm512_max_epi16(_mm512_add_epi16(values, zero), __m512i{});
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + k), _mm512_cvtusepi16_epi8(shifted));
    }
}
#endif

/// Bytes of one row, and what they mean; the scale is NaN if the row, or its width, is not finite.
template <class E, class Input>
InputScale to_bytes(const E* x, int depth, const RowsToBytes& given, Input* q) {
    constexpr float kTiny = 1e-30f;
    if (given.factors) {
        multiply_to_bytes(x, depth, OwnFactors{given.factors}, given.scale.zero_point, q);
        return {all_finite(x, depth) ? given.scale.scale : __builtin_nanf(""),
                given.scale.zero_point};
    }
    const Range ends = range(x, depth);
    const float width = ends.most - ends.least, scale = width / 255;
    const bool wide = width - width == 0 && width > kTiny;
    const int zero_point = wide ? static_cast<int>(0.5f - ends.least / scale) : 0;
    multiply_to_bytes(x, depth, SameFactor{wide ? 1 / scale : 0.f}, zero_point, q);
    return {width - width == 0 ? scale : __builtin_nanf(""), zero_point};
}

/// The sums of one panel, as real numbers.
struct Int8Sums {
    const int32_t* sums;  // [rows][kPanel]
    const int32_t* column_sums;
    const float* scales;
    const InputScale* rows;

    auto columns(int c) const {
        return [from = sums + c, all = load(column_sums + c), scale = load(scales + c),
                rows = rows](int i) {
            return to_float(load(from + i * kPanel) - rows[i].zero_point * all) *
                   (scale * splat(rows[i].scale));
        };
    }
};

#if defined(__AVX512VNNI__)
/// VPDPBUSD multiplies four bytes.
struct Int8Products {
    static constexpr Weight kWeight = Weight::INT8;
    using Value = int8_t;
    using Sum = int32_t;
    using Input = uint8_t;
    static constexpr int kParts = 1;
    template <int>
    static __m512i load(const int8_t* weights) {
        return _mm512_loadu_si512(weights);
    }
    static void arrange(uint8_t*, int, int&) {}
    static VecInt multiply_add(VecInt sum, const uint8_t* x, __m512i weights) {
        int four;
        memcpy(&four, x, sizeof four);
        return (VecInt)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(four), weights);
    }
};
#elif defined(__AVX512BW__) || defined(__AVX2__)
/// VPMADDWD multiplies two 16-bit integers; VPMADDUBSW, of bytes, would overflow.
struct Int8Products {
    static constexpr Weight kWeight = Weight::INT8;
    using Value = int8_t;
    using Sum = int32_t;
    using Input = int16_t;
    static constexpr int kParts = 2;
    /// Of the four bytes that a column has in a step, the upper ones of each pair, or the lower.
    template <int part>
    static VecInt load(const int8_t* weights) {
        VecInt four;
        memcpy(&four, weights, sizeof four);
        const VecHalves pairs = (VecHalves)four;
        return (VecInt)(part == 0 ? pairs >> 8 : pairs << 8 >> 8);
    }
    /// Puts the four values of every step in the order in which the weights' bytes are taken.
    static void arrange(int16_t* row, int depth, int&) {
        for (int k = 0; k < depth; k += 16) {
            auto* values = reinterpret_cast<__m256i*>(row + k);
            constexpr int kOddFirst = 0b10'00'11'01;
            const __m256i halves = _mm256_shufflelo_epi16(_mm256_loadu_si256(values), kOddFirst);
            _mm256_storeu_si256(values, _mm256_shufflehi_epi16(halves, kOddFirst));
        }
    }
    static VecInt multiply_add(VecInt sum, const int16_t* x, VecInt weights) {
        int two;
        memcpy(&two, x, sizeof two);
#if defined(__AVX512BW__)
        return sum + (VecInt)_mm512_madd_epi16(_mm512_set1_epi32(two), (__m512i)weights);
#else
        return sum + (VecInt)_mm256_madd_epi16(_mm256_set1_epi32(two), (__m256i)weights);
#endif
    }

private:
    typedef int16_t VecHalves __attribute__((vector_size(kLanes * 4)));
};
#elif defined(LTP_NEON) && defined(__ARM_FEATURE_DOTPROD)
/// SDOT multiplies four bytes with signs: x is taken 128 lower, and so is its zero point.
struct Int8Products {
    static constexpr Weight kWeight = Weight::INT8;
    using Value = int8_t;
    using Sum = int32_t;
    using Input = uint8_t;
    static constexpr int kParts = 1;
    template <int>
    static int8x16_t load(const int8_t* weights) {
        return vld1q_s8(weights);
    }
    static void arrange(uint8_t* row, int depth, int& zero_point) {
        for (int k = 0; k < depth; k += 16)
            vst1q_u8(row + k, veorq_u8(vld1q_u8(row + k), vdupq_n_u8(128)));
        zero_point -= 128;
    }
    static VecInt multiply_add(VecInt sum, const uint8_t* x, int8x16_t weights) {
        int32_t four;
        memcpy(&four, x, sizeof four);
        return (VecInt)vdotq_lane_s32((int32x4_t)sum, weights, (int8x8_t)vdup_n_s32(four), 0);
    }
};
#else
struct Int8Products {
    static constexpr Weight kWeight = Weight::INT8;
    using Value = int8_t;
    using Sum = int32_t;
    using Input = int16_t;
    static constexpr int kParts = 4;
    template <int part>
    static VecInt load(const int8_t* weights) {
        VecInt four;
        memcpy(&four, weights, sizeof four);
        return four << (24 - 8 * part) >> 24;
    }
    static void arrange(int16_t*, int, int&) {}
    static VecInt multiply_add(VecInt sum, const int16_t* x, VecInt weights) {
        return sum + int32_t{*x} * weights;
    }
};
#endif

template <class Product>
struct Int8Linear {
    using Input = typename Product::Input;

    static size_t scratch_bytes(int rows, int depth) {
        Arena arena(nullptr);
        Buffers(arena, rows, depth);
        return arena.used();
    }

    template <class E>
    static void run(const LinearTask& task, void* scratch) {
        Arena arena(scratch);
        const Buffers buffers(arena, task.rows, task.depth);
        const int depth = padded<Product>(task.depth);
        for (int i = 0; i < task.rows; ++i) {
            Input* row = buffers.x + size_t(i) * depth;
            const E* x = static_cast<const E*>(task.x) + size_t(i) * task.depth;
            if (i + 1 < task.rows) prefetch(x + task.depth, task.depth);
            buffers.scales[i] = to_bytes(x, task.depth, task.input, row);
            memset(row + task.depth, 0, (depth - task.depth) * sizeof(Input));
            Product::arrange(row, depth, buffers.scales[i].zero_point);
        }
        const auto* panels = static_cast<const char*>(task.panels);
        for (int column = 0; column < task.columns;
             column += kPanel, panels += layout_of(Weight::INT8).bytes(task.depth)) {
            const Panel<Weight::INT8, int8_t> panel(panels, task.depth);
            const Int8Sums sums{buffers.sums, panel.column_sums(), panel.scales(), buffers.scales};
            Product::multiply(task.rows, buffers.x, depth, panel.values, depth, buffers.sums,
                              Output<E, Int8Sums>(task, sums, panel.bias, column));
        }
    }

private:
    struct Buffers {
        int32_t* sums;  // [rows][kPanel]
        Input* x;       // [rows][padded depth]
        InputScale* scales;

        Buffers(Arena& arena, int rows, int depth)
            : sums(arena.take<int32_t>(size_t(rows) * kPanel)),
              x(arena.take<Input>(size_t(rows) * padded<Product>(depth))),
              scales(arena.take<InputScale>(rows)) {}
    };
};

template <class Product, class E>
constexpr LinearKernel int8_kernel() {
    using Linear = Int8Linear<Product>;
    return {sizeof(E),
            sizeof(typename Product::Input),
            2,
            Product::kRows,
            Product::kBlockTiles,
            Linear::scratch_bytes,
            Linear::template run<E>,
            normalize<E>};
}

}  // namespace
}  // namespace ltp
