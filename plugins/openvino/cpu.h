// What a CPU has, and which kernels it is given for that: pure functions of this description, but
// for the one that makes it.
#pragma once

#include <string>

#include "isa.h"

namespace ltp {

/// What decides about kernels. Of what its architecture does not have, a CPU has nothing.
struct Cpu {
    std::string vendor;         ///< as CPUID gives it, "GenuineIntel"; empty on Arm
    int family = 0, model = 0;  ///< as CPUID gives them, with their extensions; 0 on Arm
    bool avx2 = false;          ///< and FMA
    bool avx512 = false;        ///< F, DQ, BW and VL
    bool avx512_vnni = false;
    bool avx512_bf16 = false;
    bool amx = false;   ///< tiles of bfloat16 and of bytes, with the operating system's permission
    bool neon = false;  ///< which every 64-bit Arm CPU has
    bool dotprod = false;  ///< SDOT
    bool i8mm = false;     ///< USMMLA, and SDOT
};

/// This one. Asks the operating system for permission to use AMX.
Cpu this_cpu();

/// The most that it can run.
Isa best_isa(const Cpu& cpu);

/// The fastest, which is not always the most. docs/cpu-kernels.md has the reasons.
Isa fastest_isa(const Cpu& cpu);

}  // namespace ltp
