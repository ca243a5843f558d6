// Runs a kernel on the host, block after block. The threads of a block are fibers, which only stop
// where a GPU would synchronise them, in an order that a seed decides: threads that rely on more
// than that get wrong values.
#pragma once

#include <cstddef>
#include <functional>

namespace emulation {

constexpr int kWarpSize = 32;

void seed(unsigned seed);

/// `thread` is the kernel's body, called by each thread.
void launch(unsigned grid_x, unsigned grid_y, unsigned threads,
            const std::function<void()>& thread);

/// All threads of the block meet here. Returns the number of them that brought true.
int meet_block(const char* file, int line, bool predicate);

/// All lanes of the warp meet here, each with an object of its own. The last to come gets all of
/// them, is to do the work of all, and goes on; the others return null when that is done.
void* const* meet_warp(const char* what, void* mine);

/// A change to global memory that other blocks see no sooner than a GPU promises: at a fence of
/// this block, or after the launch.
void post(std::function<void()> change);
void fence();

/// The block's shared memory; nothing but garbage in it at first.
void* shared_memory(std::size_t bytes, std::size_t alignment);

/// The emulated program is broken in a way that leaves nothing to go on with.
[[noreturn]] void fail(const char* what, const char* where);

}  // namespace emulation
