#include "fiber.h"

#include <cstdint>

#ifdef LTP_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef __x86_64__
// Saves what a function must preserve and the stack pointer, and restores those of another fiber. A
// tenth of the cost of swapcontext, which enters the kernel.
extern "C" void emulation_switch_stack(void** save, void* load);
asm(R"(
    .text
    .globl emulation_switch_stack
emulation_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
#endif

namespace emulation {
namespace {

Fiber* left = nullptr;  // whom the latest switch came from

}  // namespace

void Fiber::prepare(void (*entry)()) {
    if (!memory_) memory_.reset(new char[kStackBytes]);
    stack_ = memory_.get();
    stack_bytes_ = kStackBytes;
#ifdef __x86_64__
    // As if the entry had been about to be returned to, with six registers to restore before.
    auto* top = reinterpret_cast<void**>(
        (reinterpret_cast<std::uintptr_t>(memory_.get()) + kStackBytes) & ~std::uintptr_t{15});
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    stack_pointer_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = memory_.get();
    context_.uc_stack.ss_size = kStackBytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
#endif
}

void Fiber::switch_to(Fiber& to) {
    left = this;
#ifdef LTP_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&fake_stack_, to.stack_, to.stack_bytes_);
#endif
#ifdef __x86_64__
    emulation_switch_stack(&stack_pointer_, to.stack_pointer_);
#else
    swapcontext(&context_, &to.context_);
#endif
#ifdef LTP_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake_stack_, &left->stack_, &left->stack_bytes_);
#endif
}

void Fiber::entered() {
#ifdef LTP_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(nullptr, &left->stack_, &left->stack_bytes_);
#endif
}

}  // namespace emulation
