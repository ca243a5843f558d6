// Numbers too small to be normal ones, which x86 CPUs compute a hundred times slower.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
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
#else
public:
    DenormalsAreZero() {}
#endif
};

}  // namespace
}  // namespace ltp
