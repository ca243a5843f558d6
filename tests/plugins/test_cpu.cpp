// Which kernels which CPU is given. The expected ones are those of docs/cpu-kernels.md.
#include "cpu.h"

#include <string>

#include "check.h"

namespace {

using namespace ltp;

struct Known {
    const char* name;
    Cpu cpu;
    Isa best, f32, bf16, int8;
};

Cpu x86(const char* vendor, int family, int model) {
    Cpu cpu;
    cpu.vendor = vendor;
    cpu.family = family;
    cpu.model = model;
    return cpu;
}
Cpu intel(int model) { return x86("GenuineIntel", 6, model); }
Cpu amd(int family, int model) { return x86("AuthenticAMD", family, model); }

Cpu with_avx2(Cpu cpu) {
    cpu.avx2 = true;
    return cpu;
}
Cpu with_avx512(Cpu cpu) {
    cpu = with_avx2(cpu);
    cpu.avx512 = true;
    return cpu;
}
Cpu with_vnni(Cpu cpu) {
    cpu = with_avx512(cpu);
    cpu.avx512_vnni = true;
    return cpu;
}
Cpu with_bf16(Cpu cpu) {
    cpu = with_vnni(cpu);
    cpu.avx512_bf16 = true;
    return cpu;
}
Cpu with_amx(Cpu cpu) {
    cpu = with_bf16(cpu);
    cpu.amx = true;
    return cpu;
}

Cpu arm(bool dotprod, bool i8mm) {
    Cpu cpu;
    cpu.neon = true;
    cpu.dotprod = dotprod;
    cpu.i8mm = i8mm;
    return cpu;
}

constexpr Isa kPortable = Isa::Portable, kAvx2 = Isa::Avx2, kAvx512 = Isa::Avx512,
              kVnni = Isa::Avx512Vnni, kFma = Isa::Avx512Bf16Fma, kBf16 = Isa::Avx512Bf16,
              kAmx = Isa::AmxBf16, kNeon = Isa::Neon, kDotprod = Isa::NeonDotprod,
              kI8mm = Isa::NeonI8mm;

// Families and models as CPUID gives them, hexadecimal as the vendors list them.
const Known kKnown[] = {
    {"Nehalem", intel(0x1a), kPortable, kPortable, kPortable, kPortable},
    {"Haswell", with_avx2(intel(0x3c)), kAvx2, kAvx2, kAvx2, kAvx2},
    {"Alder Lake", with_avx2(intel(0x97)), kAvx2, kAvx2, kAvx2, kAvx2},
    {"Skylake-X", with_avx512(intel(0x55)), kAvx512, kAvx512, kAvx512, kAvx512},
    {"Cascade Lake", with_vnni(intel(0x55)), kVnni, kAvx512, kVnni, kVnni},
    {"Ice Lake", with_vnni(intel(0x6a)), kVnni, kAvx512, kVnni, kVnni},
    {"Cooper Lake", with_bf16(intel(0x55)), kBf16, kAvx512, kBf16, kBf16},
    {"Sapphire Rapids", with_amx(intel(0x8f)), kAmx, kAvx512, kAmx, kAmx},
    {"Sapphire Rapids without AMX", with_bf16(intel(0x8f)), kBf16, kAvx512, kFma, kFma},
    {"Emerald Rapids", with_amx(intel(0xcf)), kAmx, kAvx512, kAmx, kAmx},
    {"Emerald Rapids without AMX", with_bf16(intel(0xcf)), kBf16, kAvx512, kFma, kFma},
    {"Granite Rapids", with_amx(intel(0xad)), kAmx, kAvx512, kAmx, kAmx},
    {"Zen 2", with_avx2(amd(0x17, 0x31)), kAvx2, kAvx2, kAvx2, kAvx2},
    {"Zen 3", with_avx2(amd(0x19, 0x01)), kAvx2, kAvx2, kAvx2, kAvx2},
    {"Zen 4", with_bf16(amd(0x19, 0x11)), kBf16, kAvx512, kBf16, kBf16},
    {"Zen 5", with_bf16(amd(0x1a, 0x02)), kBf16, kAvx512, kBf16, kBf16},
    {"Hygon Dhyana", with_avx2(x86("HygonGenuine", 0x18, 0x00)), kAvx2, kAvx2, kAvx2, kAvx2},
    {"Cortex-A72", arm(false, false), kNeon, kNeon, kNeon, kNeon},
    {"Neoverse N1", arm(true, false), kDotprod, kNeon, kDotprod, kDotprod},
    {"Neoverse V1", arm(true, true), kI8mm, kNeon, kI8mm, kI8mm},
    {"unknown", {}, kPortable, kPortable, kPortable, kPortable},
};

}  // namespace

int main() {
    for (const Known& known : kKnown) {
        const Isa best = best_isa(known.cpu), fastest = fastest_isa(known.cpu);
        CHECK(best == known.best, known.name, "can run", static_cast<int>(best));
        const auto given = [&](Precision precision, Isa expected) {
            const Isa isa = isa_for(fastest, precision);
            CHECK(isa == expected, known.name, "precision", static_cast<int>(precision), "is given",
                  static_cast<int>(isa), "not", static_cast<int>(expected));
        };
        given(Precision::F32, known.f32);
        given(Precision::BF16, known.bf16);
        given(Precision::INT8, known.int8);
    }
    const Cpu cpu = this_cpu();
    CHECK(best_isa(cpu) == cpu_isa(), "this CPU is", cpu.vendor, cpu.family, cpu.model);
#if defined(__x86_64__)
    CHECK(cpu.vendor.size() == 12 && cpu.family > 0, "this CPU is", cpu.vendor, cpu.family,
          cpu.model);
#endif
    std::printf("this CPU: %s family %d model %d\n", cpu.vendor.c_str(), cpu.family, cpu.model);
    return test::report("cpu");
}
