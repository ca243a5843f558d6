// The activation after a linear layer.
#pragma once

#include "kernel.h"
#include "vec.h"

namespace ltp {
namespace {

// GELU is x p(x), where p grows from 0 to 1 and p(-x) = 1 - p(x), be p the normal distribution or
// its tanh formula. Therefore gelu(x) = max(x, 0) - d(|x|) with d(a) = a p(-a), which is smooth and
// soon next to nothing: a polynomial of it needs neither a division nor an exponential.

/// A polynomial of d on [0, end]; beyond that d is taken as d(end).
template <int N>
struct GeluDip {
    float end;
    float coefficients[N];  // of 2 a / end - 1, the highest power first

    Vec operator()(Vec x) const {
        const Vec t = smaller(splat(end), magnitude(x)) * splat(2 / end) - splat(1.f);
        Vec d = splat(coefficients[0]);
#pragma GCC unroll 16
        for (int i = 1; i < N; ++i) d = d * t + splat(coefficients[i]);
        return d;
    }
};

// Interpolated in Chebyshev's nodes. GELU is off by at most 4e-7 with 17 coefficients, and by 2e-5
// with 11, which are for bfloat16.
template <class E>
constexpr GeluDip<17> kGelu{
    5.5f,
    {-0.0156969204f, -0.000522047356f, 0.0989243687f, -0.0374604078f, -0.256906213f, 0.232402076f,
     0.272212525f, -0.545276399f, 0.151383868f, 0.459697343f, -0.628322923f, 0.260418265f,
     0.178947582f, -0.308680897f, 0.191263371f, -0.0605779808f, 0.00819437015f}};
template <>
constexpr GeluDip<11> kGelu<Bf16>{
    4.5f,
    {-0.0442360138f, 0.0225840508f, 0.180277763f, -0.178053228f, -0.208082442f, 0.436025225f,
     -0.201935123f, -0.147540793f, 0.246478552f, -0.133017056f, 0.0274990358f}};
template <class E>
constexpr GeluDip<17> kGeluTanh{
    5.5f,
    {-0.00434471915f, -0.0119909034f, 0.0465966567f, 0.0215335861f, -0.160153028f, 0.102393888f,
     0.187284664f, -0.38724153f, 0.174678683f, 0.347315457f, -0.608925982f, 0.305160325f,
     0.160255128f, -0.316808452f, 0.196885566f, -0.0603625289f, 0.00772307944f}};
template <>
constexpr GeluDip<11> kGeluTanh<Bf16>{
    4.5f,
    {-0.039519698f, 0.0192774757f, 0.165317758f, -0.167413073f, -0.189989988f, 0.422982848f,
     -0.212249527f, -0.140225337f, 0.249242032f, -0.134630484f, 0.0271980566f}};

/// NaN stays NaN.
template <Activation activation, class E>
inline Vec activate(Vec x) {
    const Vec positive = larger(Vec{}, x);
    if constexpr (activation == Activation::Gelu) return positive - kGelu<E>(x);
    if constexpr (activation == Activation::GeluTanh) return positive - kGeluTanh<E>(x);
    if constexpr (activation == Activation::Relu) return positive;
    return x;
}

}  // namespace
}  // namespace ltp
