// A thread of a block: its own stack, run until it gives up the processor of its own accord.
#pragma once

#include <cstddef>
#include <memory>

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace emulation {

class Fiber {
public:
    /// The fiber of whoever calls, which has a stack already.
    Fiber() = default;

    /// `entry` begins to run at the next switch to this fiber; it must not return.
    void prepare(void (*entry)());

    /// Goes on in `to` until somebody switches back here.
    void switch_to(Fiber& to);

    /// What `entry` calls first.
    static void entered();

private:
    static constexpr std::size_t kStackBytes = std::size_t{1} << 17;

    std::unique_ptr<char[]> memory_;
    const void* stack_ = nullptr;  // its lowest address
    std::size_t stack_bytes_ = 0;
#ifdef LTP_ADDRESS_SANITIZER
    void* fake_stack_ = nullptr;
#endif
#ifdef __x86_64__
    void* stack_pointer_ = nullptr;
#else
    ucontext_t context_;
#endif
};

}  // namespace emulation
