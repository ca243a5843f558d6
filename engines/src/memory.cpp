#include "memory.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace ltp {
namespace {

constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

[[noreturn]] void fail() { throw std::system_error(errno, std::generic_category()); }

std::size_t size_of(int descriptor) {
    struct stat found{};
    if (fstat(descriptor, &found) != 0) fail();
    return static_cast<std::size_t>(found.st_size);
}

/// Of an empty file there is a page as well: a mapping has at least one.
std::size_t mapped_size(std::size_t size) { return std::max<std::size_t>(size, 1); }

void* map(std::size_t size, int access, int kind, int descriptor = -1) {
    void* const address = mmap(nullptr, mapped_size(size), access, kind, descriptor, 0);
    if (address == MAP_FAILED) fail();
    return address;
}

void read_all(int descriptor, char* to, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
        const ssize_t count = pread(descriptor, to + done, size - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) errno = EIO;  // it was cut short meanwhile
        if (count <= 0) fail();
        done += static_cast<std::size_t>(count);
    }
}

}  // namespace

Memory Memory::mapped(int descriptor) {
    const std::size_t size = size_of(descriptor);
    return {map(size, PROT_READ, MAP_SHARED, descriptor), size};
}

Memory Memory::copied(int descriptor) {
    const std::size_t size = size_of(descriptor);
    Memory copy(map(size, PROT_READ | PROT_WRITE, kPrivate), size);
    madvise(copy.address_, mapped_size(size), MADV_HUGEPAGE);  // refusal does no harm
    read_all(descriptor, static_cast<char*>(copy.address_), size);
    if (mprotect(copy.address_, mapped_size(size), PROT_READ) != 0) fail();
    return copy;
}

Memory::Memory(Memory&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(other.size_) {}

Memory::~Memory() {
    if (address_) munmap(address_, mapped_size(size_));
}

bool Memory::detach() noexcept {
    if (size_ == 0) return true;
    void* const copy = mmap(nullptr, size_, PROT_READ | PROT_WRITE, kPrivate, -1, 0);
    if (copy == MAP_FAILED) return false;
    std::memcpy(copy, address_, size_);
    if (mprotect(copy, size_, PROT_READ) == 0 &&
        mremap(copy, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, address_) != MAP_FAILED)
        return true;
    munmap(copy, size_);
    return false;
}

}  // namespace ltp
