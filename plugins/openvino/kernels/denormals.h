// Numbers too small to be normal ones, which x86 CPUs compute a hundred times slower. On Arm, where
// they cost little or nothing, it is for the same answers.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#elif defined(__aarch64__)
#include <cstdint>
#endif

namespace ltp {
namespace {

/// While it lives, this thread takes denormal operands for zero, and makes zero of denormal
/// results.
class DenormalsAreZero {
#if defined(__SSE2__)
public:
    DenormalsAreZero() { _mm_setcsr(saved_ | kFlushResults | kZeroOperands); }
    ~DenormalsAreZero() { _mm_setcsr(saved_); }
    DenormalsAreZero(const DenormalsAreZero&) = delete;

private:
    static constexpr unsigned kFlushResults = 0x8000, kZeroOperands = 0x0040;

    const unsigned saved_ = _mm_getcsr();
#elif defined(__aarch64__)
public:
    DenormalsAreZero() { set_control(saved_ | kFlush); }
    ~DenormalsAreZero() { set_control(saved_); }
    DenormalsAreZero(const DenormalsAreZero&) = delete;

private:
    static constexpr uint64_t kFlush = uint64_t{1} << 24;

    static uint64_t control() {
        uint64_t value;
        asm volatile("mrs %0, fpcr" : "=r"(value));
        return value;
    }
    // Memory is named so that no arithmetic on it moves across.
    static void set_control(uint64_t value) {
        asm volatile("msr fpcr, %0" : : "r"(value) : "memory");
    }

    const uint64_t saved_ = control();
#else
public:
    DenormalsAreZero() {}
#endif
};

}  // namespace
}  // namespace ltp
