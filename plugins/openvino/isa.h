// Which instruction set the kernels use.
#pragma once

#include <string>

#include "kernels/kernel.h"

namespace ltp {

/// Each includes the ones of its architecture before it.
enum class Isa {
    Portable,
    Avx2,
    Avx512,
    Avx512Vnni,
    Avx512Bf16Fma,
    Avx512Bf16,
    AmxBf16,
    Neon,
    NeonDotprod,
    NeonI8mm,
};
constexpr Isa kNoLimit = Isa::NeonI8mm;
enum class Precision { F32, BF16, INT8 };

/// portable, on x86 | avx2 | avx512 | avx512_vnni | avx512_bf16_fma | avx512_bf16 | amx_bf16, on
/// Arm | neon | neon_dotprod | neon_i8mm; throws std::invalid_argument on any other name.
Isa parse_isa(const std::string& name);

/// The best one that this CPU, its operating system and this build support.
Isa cpu_isa();

/// What a CPU that is given `isa` computes in with this precision: F32 stops at avx512 and neon.
Isa isa_for(Isa isa, Precision precision);

/// The kernel for one node: the fastest that the CPU has (cpu.h), or else the environment variable
/// LTP_ISA if it is set, and in either case nothing above `cap`. BF16 below avx512_bf16 and on
/// Arm computes in f32; INT8 multiplies exactly everywhere, but below avx512_vnni and neon_dotprod
/// not faster than f32 does. Throws std::invalid_argument if LTP_ISA is unknown,
/// std::runtime_error if this CPU lacks it.
const Kernel& select_kernel(Precision precision, Isa cap = kNoLimit);

}  // namespace ltp
