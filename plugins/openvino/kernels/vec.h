// Vectors of LTP_LANES floats, written with compiler vector extensions so that one source serves
// every instruction set. Everything here has internal linkage: each instruction set compiles its
// own copy, and a copy shared by the linker could end up running on a CPU that lacks its
// instructions. For the same reason kernel sources use no non-trivial templates of the standard
// library.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(LTP_NEON)
#include <arm_neon.h>
#endif

namespace ltp {
namespace {

constexpr int kLanes = LTP_LANES;

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t VecInt __attribute__((vector_size(kLanes * 4)));
typedef uint32_t VecBits __attribute__((vector_size(kLanes * 4)));
typedef uint16_t VecHalf __attribute__((vector_size(kLanes * 2)));

struct Bf16 {
    uint16_t bits;
};

constexpr int round_up(int value, int step) { return (value + step - 1) / step * step; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }

inline Vec splat(float x) { return x - Vec{}; }
// If b is NaN, NaN; if a alone is, either. GCC does not find these instructions in `a > b ? a : b`.
#if defined(__AVX512F__)
inline Vec larger(Vec a, Vec b) { return (Vec)_mm512_max_ps((__m512)a, (__m512)b); }
inline Vec smaller(Vec a, Vec b) { return (Vec)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(LTP_NEON)
inline Vec larger(Vec a, Vec b) { return (Vec)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
inline Vec smaller(Vec a, Vec b) { return (Vec)vminq_f32((float32x4_t)a, (float32x4_t)b); }
#else
inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }
inline Vec smaller(Vec a, Vec b) { return a < b ? a : b; }
#endif
inline Vec magnitude(Vec a) { return (Vec)((VecInt)a & 0x7fffffff); }

inline Vec load(const float* p) {
    Vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline void store(float* p, Vec v) { memcpy(p, &v, sizeof v); }

inline VecInt load(const int32_t* p) {
    VecInt v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline void store(int32_t* p, VecInt v) { memcpy(p, &v, sizeof v); }

inline Vec load(const Bf16* p) {
    VecHalf half;
    memcpy(&half, p, sizeof half);
#if defined(__AVX512F__)
    return (Vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)half), 16);
#elif defined(LTP_NEON)
    return (Vec)vshll_n_u16((uint16x4_t)half, 16);
#else
    return (Vec)(__builtin_convertvector(half, VecBits) << 16);
#endif
}
inline void store(Bf16* p, Vec v) {
#if defined(__AVX512BF16__)
    const __m256bh half = _mm512_cvtneps_pbh((__m512)v);
    memcpy(p, &half, sizeof half);
#else
    const VecBits bits = (VecBits)v;
    const VecBits rounded = bits + 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
    const VecBits quiet_nan = bits | 0x400000;
    const VecBits chosen = (v == v ? rounded : quiet_nan) >> 16;
#if defined(__AVX512F__)
    const __m256i half = _mm512_cvtepi32_epi16((__m512i)chosen);
#else
    const VecHalf half = __builtin_convertvector(chosen, VecHalf);
#endif
    memcpy(p, &half, sizeof half);
#endif
}

/// The first `count` lanes (none if it is negative); the others are zero and their memory is not
/// touched.
template <class E>
inline Vec load(const E* p, int count) {
    if (count >= kLanes) return load(p);
    if (count <= 0) return Vec{};
    E lanes[kLanes] = {};
    memcpy(lanes, p, count * sizeof(E));
    return load(lanes);
}
template <class E>
inline void store(E* p, Vec v, int count) {
    if (count >= kLanes) return store(p, v);
    E lanes[kLanes];
    store(lanes, v);
    memcpy(p, lanes, count * sizeof(E));
}

template <class E>
inline void prefetch(const E* p, int count) {
    for (int i = 0; i < count; i += 64 / int{sizeof(E)}) __builtin_prefetch(p + i);
}

/// All bits set in the first `count` lanes.
inline VecInt first_lanes(int count) {
    VecInt lane;
    for (int i = 0; i < kLanes; ++i) lane[i] = i;
    return lane < (count - VecInt{});
}

template <int Distance, class V, size_t... I>
inline V swap_lanes(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (I ^ Distance)...);
}
template <int Distance = kLanes / 2, class Combine>
inline float reduce(Vec v, Combine combine) {
    v = combine(v, swap_lanes<Distance>(v, std::make_index_sequence<kLanes>()));
    if constexpr (Distance > 1) return reduce<Distance / 2>(v, combine);
    return v[0];
}
#if defined(LTP_NEON)
inline float reduce_max(Vec v) { return vmaxvq_f32((float32x4_t)v); }
inline float reduce_add(Vec v) { return vaddvq_f32((float32x4_t)v); }
#else
inline float reduce_max(Vec v) {
    return reduce(v, [](Vec a, Vec b) { return larger(a, b); });
}
inline float reduce_add(Vec v) {
    return reduce(v, [](Vec a, Vec b) { return a + b; });
}
#endif

/// 2^x for x <= 0 (or just above, by rounding), to about 2 units in the last place. NaN stays NaN.
inline Vec exp2_nonpositive(Vec x) {
#if defined(__AVX512DQ__)
    const Vec r = (Vec)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    x = larger(splat(-126.f), x);  // this operand order lets a NaN through
    const Vec magic =
        splat(12582912.f);  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
    const Vec shifted = x + magic;
    const Vec r = x - (shifted - magic);
#endif
    Vec p = splat(1.32764719e-3f);  // minimax for r in [-0.5, 0.5], relative error 8e-8
    p = p * r + splat(9.67554133e-3f);
    p = p * r + splat(5.55071327e-2f);
    p = p * r + splat(2.40221197e-1f);
    p = p * r + splat(6.93146967e-1f);
    p = p * r + splat(1.f);
#if defined(__AVX512DQ__)
    return (Vec)_mm512_scalef_ps((__m512)p, (__m512)(x - r));
#else
    return (Vec)((VecInt)p + ((VecInt)shifted << 23));
#endif
}

template <int Start, class V, size_t... I>
inline V interleave(V a, V b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (Start + I / 2 + (I % 2) * kLanes)...);
}
/// Transposes a kLanes x kLanes block held in registers.
template <class V>
inline void transpose(V (&rows)[kLanes]) {
    constexpr auto lanes = std::make_index_sequence<kLanes>();
    for (int stage = 1; stage < kLanes; stage *= 2) {
        V next[kLanes];
        for (int i = 0; i < kLanes / 2; ++i) {
            next[2 * i] = interleave<0>(rows[i], rows[i + kLanes / 2], lanes);
            next[2 * i + 1] = interleave<kLanes / 2>(rows[i], rows[i + kLanes / 2], lanes);
        }
        for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
    }
}

}  // namespace
}  // namespace ltp
