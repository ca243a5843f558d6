#include "isa.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#if defined(LTP_X86)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ltp {
namespace {

constexpr const char* kNames[] = {"portable",        "avx2",        "avx512",  "avx512_vnni",
                                  "avx512_bf16_fma", "avx512_bf16", "amx_bf16"};

#if defined(LTP_X86)
constexpr const Kernel* kKernels[] = {
    &kernel_portable,        &kernel_avx2,        &kernel_avx512,  &kernel_avx512_vnni,
    &kernel_avx512_bf16_fma, &kernel_avx512_bf16, &kernel_amx_bf16};

/// AMX needs the instructions and, on Linux, the kernel's permission to use tile registers.
bool amx_usable() {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
    constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24, amx_int8 = 1u << 25,
                       all = amx_bf16 | amx_tile | amx_int8;
    if ((edx & all) != all) return false;
    constexpr long arch_req_xcomp_perm = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, arch_req_xcomp_perm, tile_data) == 0;
}

Isa detect() {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::Portable;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
        return Isa::Avx2;
    if (!__builtin_cpu_supports("avx512vnni")) return Isa::Avx512;
    if (!__builtin_cpu_supports("avx512bf16")) return Isa::Avx512Vnni;
    return amx_usable() ? Isa::AmxBf16 : Isa::Avx512Bf16;
}
/// On Intel CPUs VDPBF16PS does half the work per cycle of two float32 FMAs (Sapphire Rapids,
/// measured), so there bfloat16 products pay with AMX only, and AVX512_BF16 converts.
bool slow_bf16_dot_product() { return __builtin_cpu_is("intel"); }
#else
constexpr const Kernel* kKernels[] = {&kernel_portable};

bool slow_bf16_dot_product() { return false; }

Isa detect() { return Isa::Portable; }
#endif

Isa chosen_isa() {
    const char* name = std::getenv("LTP_ISA");
    if (!name || !*name)
        return cpu_isa() == Isa::Avx512Bf16 && slow_bf16_dot_product() ? Isa::Avx512Bf16Fma
                                                                       : cpu_isa();
    const Isa isa = parse_isa(name);
    if (isa > cpu_isa())
        throw std::runtime_error(
            std::string("LTP_ISA=") + name +
            " asks for more than this CPU and build have: " + kNames[static_cast<int>(cpu_isa())]);
    return isa;
}

}  // namespace

Isa parse_isa(const std::string& name) {
    std::string known;
    for (int i = 0; i < static_cast<int>(std::size(kNames)); ++i) {
        if (name == kNames[i]) return static_cast<Isa>(i);
        known += (i ? ", " : "") + std::string(kNames[i]);
    }
    throw std::invalid_argument("unknown instruction set '" + name +
                                "', expected one of: " + known);
}

Isa cpu_isa() {
    static const Isa isa = detect();
    return isa;
}

const Kernel& select_kernel(Precision precision, Isa cap) {
    static const Isa chosen = chosen_isa();
    const Isa highest = precision == Precision::F32 ? Isa::Avx512 : Isa::AmxBf16;
    return *kKernels[static_cast<int>(std::min({chosen, cap, highest}))];
}

}  // namespace ltp
