// IEEE half precision, and the tensor core instructions that take it, from their description in the
// PTX manual.
#pragma once

#include "cuda_runtime_api.h"

/// Only ever a pattern of bits: the kernels compute in float.
struct __half {
    std::uint16_t bits;
};
struct alignas(4) __half2 {
    __half x, y;
};

inline float __half2float(__half h) {
    const unsigned sign = unsigned{h.bits} >> 15 << 31, exponent = h.bits >> 10 & 31,
                   mantissa = h.bits & 1023;
    if (exponent == 0)
        return __uint_as_float(sign | __float_as_uint(static_cast<float>(mantissa) * 0x1p-24f));
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
    return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

/// Rounds to nearest, half to even.
inline __half __float2half_rn(float x) {
    const unsigned bits = __float_as_uint(x), sign = bits >> 31 << 15;
    const float size = std::fabs(x);
    if (size != size) return {std::uint16_t(sign | 0x7fff)};
    if (size >= 65520.f) return {std::uint16_t(sign | 0x7c00)};
    if (size < 0x1p-14f)
        return {std::uint16_t(sign | static_cast<unsigned>(std::nearbyint(size * 0x1p24f)))};
    const unsigned rebased = __float_as_uint(size) - (112u << 23);
    return {std::uint16_t(sign | (rebased + 0xfff + (rebased >> 13 & 1)) >> 13)};
}

inline __half2 __floats2half2_rn(float x, float y) {
    return {__float2half_rn(x), __float2half_rn(y)};
}
inline float2 __half22float2(__half2 h) { return {__half2float(h.x), __half2float(h.y)}; }

namespace emulation {

/// product = left right^T. Not sanitized: it is most of the work, and touches nothing but these
/// three.
__attribute__((no_sanitize("address", "undefined"))) inline void multiply(
    const float (&left)[16][8], const float (&right)[8][8], float (&product)[16][8]) {
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column) {
            product[row][column] = 0.f;
            for (int k = 0; k < 8; ++k) product[row][column] += left[row][k] * right[column][k];
        }
}

}  // namespace emulation

namespace ltp::cuda {

/// mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32
inline void mma(float (&c)[4], const unsigned (&a)[2], unsigned b) {
    struct Fragments {
        float* c;
        unsigned a[2], b;
    } mine{c, {a[0], a[1]}, b};
    void* const* lanes = emulation::meet_warp("mma", &mine);
    if (!lanes) return;
    float left[16][8], right[8][8], product[16][8];  // right is transposed
    const auto unpack = [](unsigned pair, float* at) {
        at[0] = __half2float({std::uint16_t(pair)});
        at[1] = __half2float({std::uint16_t(pair >> 16)});
    };
    for (int lane = 0; lane < 32; ++lane) {
        const Fragments& f = *static_cast<Fragments*>(lanes[lane]);
        const int group = lane >> 2, thread = lane & 3;
        unpack(f.a[0], &left[group][thread * 2]);
        unpack(f.a[1], &left[group + 8][thread * 2]);
        unpack(f.b, &right[group][thread * 2]);
    }
    emulation::multiply(left, right, product);
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i)
            static_cast<Fragments*>(lanes[lane])->c[i] +=
                product[(lane >> 2) + (i < 2 ? 0 : 8)][(lane & 3) * 2 + (i & 1)];
}

/// ldmatrix.sync.aligned.m8n8.x4.shared.b16, and the same with .trans
template <bool kTransposed>
void load_four_matrices(unsigned (&m)[4], const __half* row) {
    struct Request {
        const __half* row;
        unsigned* m;
    } mine{row, m};
    if (reinterpret_cast<std::uintptr_t>(row) % 16)
        emulation::fail("ldmatrix", "a row is not aligned to 16 bytes");
    void* const* lanes = emulation::meet_warp(kTransposed ? "ldmatrix.trans" : "ldmatrix", &mine);
    if (!lanes) return;
    const auto element = [&](int matrix, int row, int column) {
        return unsigned{static_cast<Request*>(lanes[matrix * 8 + row])->row[column].bits};
    };
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i) {
            const int major = lane / 4, minor = lane % 4 * 2;
            static_cast<Request*>(lanes[lane])->m[i] =
                kTransposed ? element(i, minor, major) | element(i, minor + 1, major) << 16
                            : element(i, major, minor) | element(i, major, minor + 1) << 16;
        }
}

inline void load_matrices(unsigned (&m)[4], const __half* row) {
    load_four_matrices<false>(m, row);
}
inline void load_matrices_transposed(unsigned (&m)[4], const __half* row) {
    load_four_matrices<true>(m, row);
}

}  // namespace ltp::cuda
