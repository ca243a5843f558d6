// Prints the kernel that a bf16 node gets, as LTP_ISA in the environment decides it.
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "check.h"
#include "isa.h"

using namespace ltp;

int main() {
    try {
        parse_isa("sse9");
        CHECK(false, "an unknown name was accepted");
    } catch (const std::invalid_argument&) {
    }
    CHECK(parse_isa("avx512_bf16") == Isa::Avx512Bf16, "parse_isa");
    try {
        std::printf("kernel: %s\n", select_kernel(Precision::BF16).name);
        CHECK(&select_kernel(Precision::BF16, Isa::Portable) == &kernel_portable,
              "the cap is not kept");
        CHECK(&select_kernel(Precision::F32) == &select_kernel(Precision::F32, Isa::Avx512),
              "f32 is not f32");
        CHECK(
            &select_kernel(Precision::INT8, Isa::Avx2) == &select_kernel(Precision::F32, Isa::Avx2),
            "int8 on AVX2");
    } catch (const std::exception& error) {
        std::printf("error: %s\n", error.what());
    }
    return test::report("isa");
}
