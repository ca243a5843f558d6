// Prints the kernel that a bf16 node gets, as LTP_ISA in the environment decides it.
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "check.h"
#include "isa.h"

using namespace ltp;

namespace {

#if defined(__aarch64__)
constexpr Isa kFirst = Isa::Neon, kMostIsa = Isa::NeonI8mm;
constexpr const char* kMost = "neon_i8mm";
#else
constexpr Isa kFirst = Isa::Avx2, kMostIsa = Isa::AmxBf16;
constexpr const char* kMost = "amx_bf16";
#endif

}  // namespace

int main() {
    try {
        parse_isa("sse9");
        CHECK(false, "an unknown name was accepted");
    } catch (const std::invalid_argument&) {
    }
    CHECK(parse_isa(kMost) == kMostIsa, "parse_isa");
    try {
        std::printf("kernel: %s\n", select_kernel(Precision::BF16).name);
        CHECK(&select_kernel(Precision::BF16, Isa::Portable) == &kernel_portable,
              "the cap is not kept");
        const Isa f32 = isa_for(cpu_isa(), Precision::F32);
        CHECK(&select_kernel(Precision::F32) == &select_kernel(Precision::F32, f32),
              "f32 is not f32");
        CHECK(&select_kernel(Precision::INT8, kFirst) == &select_kernel(Precision::F32, kFirst),
              "int8 of the first kernel");
    } catch (const std::exception& error) {
        std::printf("error: %s\n", error.what());
    }
    return test::report("isa");
}
