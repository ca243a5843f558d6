#include "isa.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "cpu.h"

namespace ltp {
namespace {

constexpr const char* kNames[] = {"portable",        "avx2",        "avx512",  "avx512_vnni",
                                  "avx512_bf16_fma", "avx512_bf16", "amx_bf16"};

#if defined(LTP_X86)
constexpr const Kernel* kKernels[] = {
    &kernel_portable,        &kernel_avx2,        &kernel_avx512,  &kernel_avx512_vnni,
    &kernel_avx512_bf16_fma, &kernel_avx512_bf16, &kernel_amx_bf16};

#else
constexpr const Kernel* kKernels[] = {&kernel_portable};
#endif

Isa chosen_isa() {
    const char* name = std::getenv("LTP_ISA");
    if (!name || !*name) return fastest_isa(this_cpu());
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
    static const Isa isa = best_isa(this_cpu());
    return isa;
}

Isa isa_for(Isa isa, Precision precision) {
    return precision == Precision::F32 ? std::min(isa, Isa::Avx512) : isa;
}

const Kernel& select_kernel(Precision precision, Isa cap) {
    static const Isa chosen = chosen_isa();
    return *kKernels[static_cast<int>(isa_for(std::min(chosen, cap), precision))];
}

}  // namespace ltp
