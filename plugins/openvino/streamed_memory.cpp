#include "streamed_memory.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ltp {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kChunk =
    16 * kHugePage;  // of address space; a page takes memory when it is first touched

size_t round_up(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

struct Chunk {
    explicit Chunk(size_t size)
        : size(size), memory(static_cast<char*>(std::aligned_alloc(kHugePage, size))) {
        if (!memory) throw std::bad_alloc();
#if defined(__linux__)
        madvise(memory, size, MADV_HUGEPAGE);  // refusal does no harm
#endif
    }
    ~Chunk() { std::free(memory); }
    Chunk(const Chunk&) = delete;
    Chunk& operator=(const Chunk&) = delete;

    const size_t size;
    char* const memory;
    size_t used = 0;
};

}  // namespace

std::shared_ptr<char> allocate_streamed(size_t bytes) {
    static std::mutex mutex;
    static std::weak_ptr<Chunk> current;
    const std::lock_guard lock(mutex);
    bytes = round_up(bytes, 64);
    std::shared_ptr<Chunk> chunk = current.lock();
    if (!chunk || chunk->size - chunk->used < bytes) {
        chunk = std::make_shared<Chunk>(std::max(kChunk, round_up(bytes, kHugePage)));
        current = chunk;
    }
    char* piece = chunk->memory + chunk->used;
    chunk->used += bytes;
    return {chunk, piece};
}

}  // namespace ltp
