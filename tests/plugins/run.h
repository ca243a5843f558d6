// How to run the op of plugins/openvino on a problem.
#pragma once

#include <functional>

#include "isa.h"
#include "problem.h"

namespace test {

Result run(const Problem& problem, const ltp::PruningRule& rule, ltp::Carry carry,
           const ltp::Kernel& kernel, ltp::ParallelFor parallel_for);

void serial_for(int count, const std::function<void(int)>& body);
void threaded_for(int count,
                  const std::function<void(int)>& body);  ///< on the caller's thread and one other

}  // namespace test
