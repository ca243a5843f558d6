#include "isa.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "cpu.h"

namespace ltp {
namespace {

struct Entry {
    Isa isa;
    const Kernel& kernel;
};

/// What this build has, in ascending order.
constexpr Entry kEntries[] = {
    {Isa::Portable, kernel_portable},
#if defined(LTP_X86)
    {Isa::Avx2, kernel_avx2},
    {Isa::Avx512, kernel_avx512},
    {Isa::Avx512Vnni, kernel_avx512_vnni},
    {Isa::Avx512Bf16Fma, kernel_avx512_bf16_fma},
    {Isa::Avx512Bf16, kernel_avx512_bf16},
    {Isa::AmxBf16, kernel_amx_bf16},
#elif defined(LTP_ARM)
    {Isa::Neon, kernel_neon},
    {Isa::NeonDotprod, kernel_neon_dotprod},
    {Isa::NeonI8mm, kernel_neon_i8mm},
#endif
};

/// The best one up to `isa`.
const Kernel& kernel_of(Isa isa) {
    const Entry* best = kEntries;
    for (const Entry& entry : kEntries)
        if (entry.isa <= isa) best = &entry;
    return best->kernel;
}

Isa chosen_isa() {
    const char* name = std::getenv("LTP_ISA");
    if (!name || !*name) return fastest_isa(this_cpu());
    const Isa isa = parse_isa(name);
    if (isa > cpu_isa())
        throw std::runtime_error(
            std::string("LTP_ISA=") + name +
            " asks for more than this CPU and build have: " + kernel_of(cpu_isa()).name);
    return isa;
}

}  // namespace

Isa parse_isa(const std::string& name) {
    std::string known;
    for (const Entry& entry : kEntries) {
        if (name == entry.kernel.name) return entry.isa;
        known += (known.empty() ? "" : ", ") + std::string(entry.kernel.name);
    }
    throw std::invalid_argument("unknown instruction set '" + name +
                                "', expected one of: " + known);
}

Isa cpu_isa() {
    static const Isa isa = best_isa(this_cpu());
    return isa;
}

Isa isa_for(Isa isa, Precision precision) {
    if (precision != Precision::F32) return isa;
    return isa >= Isa::Neon ? Isa::Neon : std::min(isa, Isa::Avx512);
}

const Kernel& select_kernel(Precision precision, Isa cap) {
    static const Isa chosen = chosen_isa();
    return kernel_of(isa_for(std::min(chosen, cap), precision));
}

}  // namespace ltp
