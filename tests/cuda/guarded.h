// Memory as the kernels may use it and no further: a stretch on either side is poisoned under AddressSanitizer, and
// checked for changes in any case.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "check.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace test {

template <class T>
class Guarded {
public:
    /// All bytes are 0xff: NaN as a float or half, -1 as an integer.
    explicit Guarded(std::size_t size) : size_(size), memory_(static_cast<char*>(std::aligned_alloc(kGuard, total()))) {
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
        CHECK(std::all_of(end(), memory_ + total(), untouched), "written behind a buffer");
        std::free(memory_);
    }

    T* data() { return reinterpret_cast<T*>(memory_ + kGuard); }
    T& operator[](std::size_t i) { return data()[i]; }
    std::size_t size() const { return size_; }

private:
    static constexpr std::size_t kGuard = 256;
    static constexpr char kPattern = -1;

    std::size_t total() const { return kGuard + (size_ * sizeof(T) + 2 * kGuard - 1) / kGuard * kGuard; }
    char* end() const { return memory_ + kGuard + size_ * sizeof(T); }

    void protect([[maybe_unused]] bool on) {
#ifdef __SANITIZE_ADDRESS__
        const auto set = on ? __asan_poison_memory_region : __asan_unpoison_memory_region;
        set(memory_, kGuard);
        set(end(), memory_ + total() - end());
#endif
    }

    const std::size_t size_;
    char* const memory_;
};

}  // namespace test
