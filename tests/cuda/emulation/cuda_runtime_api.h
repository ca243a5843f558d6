// What the kernels use of CUDA C++ and its runtime, for a host compiler.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "block.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define LTP_SHARED(Type, name) \
    Type& name = *static_cast<Type*>(emulation::shared_memory(sizeof(Type), alignof(Type)))

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct float2 {
    float x, y;
};

extern uint3 threadIdx, blockIdx;

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1 };
using cudaStream_t = struct CUstream_st*;

inline cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
    std::memset(memory, value, bytes);
    return cudaSuccess;
}

enum cudaFuncAttribute { cudaFuncAttributePreferredSharedMemoryCarveout = 9 };
enum cudaSharedCarveout { cudaSharedmemCarveoutDefault = -1, cudaSharedmemCarveoutMaxShared = 100 };
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value);
cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** parameters,
                             std::size_t shared_bytes, cudaStream_t stream);

using std::max;
using std::min;

#define __syncthreads() emulation::meet_block(__FILE__, __LINE__, false)
#define __syncthreads_count(predicate) emulation::meet_block(__FILE__, __LINE__, predicate)
#define __syncthreads_or(predicate) (__syncthreads_count(predicate) > 0)

inline void __threadfence() { emulation::fence(); }
template <class T>
T __ldcg(const T* at) {
    return *at;
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }

template <class To, class From>
To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}
inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
inline unsigned long long __float2ull_rn(float x) {
    return static_cast<unsigned long long>(std::nearbyint(x));
}

inline unsigned atomicAdd(unsigned* at, unsigned value) {
    const unsigned before = *at;
    *at += value;
    return before;
}
// Of these the kernels never want to know what was there before.
inline void atomicAdd(unsigned long long* at, unsigned long long value) {
    emulation::post([=] { *at += value; });
}
inline void atomicOr(unsigned long long* at, unsigned long long value) {
    emulation::post([=] { *at |= value; });
}

namespace emulation {

inline void require_all_lanes(unsigned mask) {
    if (mask != ~0u) fail("mask", "only whole warps are emulated");
}

}  // namespace emulation

inline unsigned __ballot_sync(unsigned mask, bool predicate) {
    emulation::require_all_lanes(mask);
    struct Vote {
        bool predicate;
        unsigned ballot;
    } mine{predicate, 0};
    if (void* const* lane = emulation::meet_warp("ballot", &mine)) {
        unsigned ballot = 0;
        for (int i = 0; i < emulation::kWarpSize; ++i)
            ballot |= unsigned{static_cast<Vote*>(lane[i])->predicate} << i;
        for (int i = 0; i < emulation::kWarpSize; ++i) static_cast<Vote*>(lane[i])->ballot = ballot;
    }
    return mine.ballot;
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance) {
    emulation::require_all_lanes(mask);
    struct Exchange {
        T given, got;
        int distance;
    } mine{value, value, distance};
    if (void* const* lane = emulation::meet_warp("shfl_xor", &mine))
        for (int i = 0; i < emulation::kWarpSize; ++i) {
            Exchange& to = *static_cast<Exchange*>(lane[i]);
            to.got = static_cast<Exchange*>(lane[(i ^ to.distance) % emulation::kWarpSize])->given;
        }
    return mine.got;
}
