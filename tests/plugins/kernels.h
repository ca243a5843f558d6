// The kernels that this CPU can run.
#pragma once

#include <vector>

#include "isa.h"

namespace test {

/// Each once, whatever precision and cap lead to it.
std::vector<const ltp::Kernel*> kernels_of_this_cpu();

}  // namespace test
