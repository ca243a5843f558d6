// A thread's scratch memory, kept from one call to the next.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ltp {

class Scratch {
public:
    ~Scratch() { std::free(memory_); }

    /// At least `bytes` bytes, 64-byte aligned, contents undefined; valid until the next call.
    void* get(size_t bytes) {
        if (bytes > size_ ||
            size_ > kRetained) {  // what one huge sequence needed is not kept for ever
            std::free(memory_);
            size_ = 0;
            memory_ = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
            if (!memory_) throw std::bad_alloc();
            size_ = bytes;
        }
        return memory_;
    }

private:
    static constexpr size_t kRetained = size_t{8} << 20;  // about 10000 rows of a head of 64

    void* memory_ = nullptr;
    size_t size_ = 0;
};

}  // namespace ltp
