#include "cpu.h"

#if defined(LTP_X86)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(LTP_ARM)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace ltp {
namespace {

/// Whether VDPBF16PS does less per cycle than float32 FMAs: half as much on Intel's cores from
/// Sapphire Rapids on, where AMX is there for bfloat16. Cooper Lake, the one before with
/// AVX512_BF16, and AMD's cores have it at full rate.
bool slow_bf16_dot_products(const Cpu& cpu) {
    constexpr int kFamily = 6, kSkylakeServer = 0x55;  // Cooper Lake is a stepping of this model
    return cpu.vendor == "GenuineIntel" && !(cpu.family == kFamily && cpu.model == kSkylakeServer);
}

#if defined(LTP_X86)
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

void identify(Cpu& cpu) {
    unsigned highest, name[3];
    if (!__get_cpuid(0, &highest, &name[0], &name[2], &name[1])) return;
    cpu.vendor.assign(reinterpret_cast<const char*>(name), sizeof name);
    unsigned signature, ebx, ecx, edx;
    if (!__get_cpuid(1, &signature, &ebx, &ecx, &edx)) return;
    const int family = signature >> 8 & 0xf, model = signature >> 4 & 0xf;
    cpu.family = family == 0xf ? family + (signature >> 20 & 0xff) : family;
    cpu.model = family == 6 || family == 0xf ? model + (signature >> 12 & 0xf0) : model;
}
#endif

}  // namespace

Cpu this_cpu() {
    Cpu cpu;
#if defined(LTP_X86)
    __builtin_cpu_init();
    identify(cpu);
    cpu.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    cpu.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    cpu.avx512_vnni = __builtin_cpu_supports("avx512vnni");
    cpu.avx512_bf16 = __builtin_cpu_supports("avx512bf16");
    cpu.amx = amx_usable();
#elif defined(LTP_ARM)
    cpu.neon = true;
    cpu.dotprod = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
    cpu.i8mm = cpu.dotprod && getauxval(AT_HWCAP2) & HWCAP2_I8MM;
#endif
    return cpu;
}

Isa best_isa(const Cpu& cpu) {
    if (cpu.neon) return cpu.i8mm ? Isa::NeonI8mm : cpu.dotprod ? Isa::NeonDotprod : Isa::Neon;
    if (!cpu.avx2) return Isa::Portable;
    if (!cpu.avx512) return Isa::Avx2;
    if (!cpu.avx512_vnni) return Isa::Avx512;
    if (!cpu.avx512_bf16) return Isa::Avx512Vnni;
    return cpu.amx ? Isa::AmxBf16 : Isa::Avx512Bf16;
}

Isa fastest_isa(const Cpu& cpu) {
    const Isa best = best_isa(cpu);
    return best == Isa::Avx512Bf16 && slow_bf16_dot_products(cpu) ? Isa::Avx512Bf16Fma : best;
}

}  // namespace ltp
