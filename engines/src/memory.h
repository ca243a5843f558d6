#pragma once

#include <cstddef>
#include <string_view>

namespace ltp {

/// Pages of memory that hold a file, read-only: mapped from it, or a copy of it.
class Memory {
public:
    /// The pages of an open file. Throws std::system_error.
    static Memory mapped(int descriptor);
    /// A copy, in large pages where the system has them. Throws std::system_error.
    static Memory copied(int descriptor);

    Memory(Memory&& other) noexcept;
    Memory& operator=(Memory&&) = delete;
    ~Memory();

    std::string_view data() const { return {static_cast<const char*>(address_), size_}; }
    /// Puts a copy in the place of a mapped file, unnoticed by whoever reads it; false where there
    /// is no memory for it.
    bool detach() noexcept;

private:
    Memory(void* address, std::size_t size) : address_(address), size_(size) {}

    void* address_;
    std::size_t size_;
};

}  // namespace ltp
