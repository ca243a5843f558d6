// Memory as the kernels may use it and no further: a stretch on either side is poisoned under
// AddressSanitizer, and checked for changes in any case. With LTP_TEST_ON_GPU it is memory that a
// real GPU sees as well; kernels must then be launched one at a time (CUDA_LAUNCH_BLOCKING=1), so
// that the host reads what they wrote.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "check.h"

#ifdef LTP_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif
#ifdef LTP_TEST_ON_GPU
#include <cuda_runtime_api.h>
#endif

namespace test {

/// Aligned to 256 bytes.
inline char* allocate(std::size_t bytes) {
#ifdef LTP_TEST_ON_GPU
    void* memory = nullptr;
    if (const cudaError_t error = cudaMallocManaged(&memory, bytes); error != cudaSuccess) {
        std::fprintf(stderr, "no memory on the GPU: %s\n", cudaGetErrorString(error));
        std::exit(1);
    }
    return static_cast<char*>(memory);
#else
    return static_cast<char*>(std::aligned_alloc(256, bytes));
#endif
}

inline void release(char* memory) {
#ifdef LTP_TEST_ON_GPU
    cudaFree(memory);
#else
    std::free(memory);
#endif
}

template <class T>
class Guarded {
public:
    /// All bytes are 0xff: NaN as a float or half, -1 as an integer.
    explicit Guarded(std::size_t size) : size_(size), memory_(allocate(total())) {
        std::memset(memory_, kPattern, total());
        protect(true);
    }
    template <class Container>
    explicit Guarded(const Container& values, std::size_t size) : Guarded(size) {
        std::copy(values.begin(), values.end(), data());
    }
    Guarded(const Guarded&) = delete;
    ~Guarded() {
        protect(false);
        const auto untouched = [](char c) { return c == kPattern; };
        CHECK(std::all_of(memory_, memory_ + kGuard, untouched), "written before a buffer");
        CHECK(std::all_of(end(), memory_ + total(), untouched), "written after a buffer");
        release(memory_);
    }

    T* data() { return reinterpret_cast<T*>(memory_ + kGuard); }
    T& operator[](std::size_t i) { return data()[i]; }
    std::size_t size() const { return size_; }

private:
    static constexpr std::size_t kGuard = 256;
    static constexpr char kPattern = -1;

    std::size_t total() const {
        return kGuard + (size_ * sizeof(T) + 2 * kGuard - 1) / kGuard * kGuard;
    }
    char* end() const { return memory_ + kGuard + size_ * sizeof(T); }

    void protect([[maybe_unused]] bool on) {
#ifdef LTP_ADDRESS_SANITIZER
        const auto set = on ? __asan_poison_memory_region : __asan_unpoison_memory_region;
        set(memory_, kGuard);
        set(end(), memory_ + total() - end());
#endif
    }

    const std::size_t size_;
    char* const memory_;
};

}  // namespace test
