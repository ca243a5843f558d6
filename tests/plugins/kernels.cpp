#include "kernels.h"

#include <algorithm>

namespace test {

std::vector<const ltp::Kernel*> kernels_of_this_cpu() {
    std::vector<const ltp::Kernel*> kernels;
    for (int isa = 0; isa <= static_cast<int>(ltp::cpu_isa()); ++isa)
        for (const auto precision :
             {ltp::Precision::F32, ltp::Precision::BF16, ltp::Precision::INT8}) {
            const ltp::Kernel* kernel = &ltp::select_kernel(precision, static_cast<ltp::Isa>(isa));
            if (std::find(kernels.begin(), kernels.end(), kernel) == kernels.end())
                kernels.push_back(kernel);
        }
    return kernels;
}

}  // namespace test
