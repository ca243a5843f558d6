// Scratch memory, dealt out. Internal linkage for the reason given in vec.h.
#pragma once

#include <cstddef>

namespace ltp {
namespace {

/// Hands out consecutive 64-byte aligned pieces of a buffer. With a null buffer it only measures.
class Arena {
public:
    explicit Arena(void* base) : base_(static_cast<char*>(base)) {}
    template <class T>
    T* take(size_t count) {
        T* piece = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
        used_ += (count * sizeof(T) + 63) / 64 * 64;
        return piece;
    }
    size_t used() const { return used_; }

private:
    char* base_;
    size_t used_ = 0;
};

}  // namespace
}  // namespace ltp
