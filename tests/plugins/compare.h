// Holds a result of the op against the reference.
#pragma once

#include <string>

#include "reference.h"

namespace test {

struct Tolerance {
    double context;    // largest difference of a context value
    double closeness;  // see reference_decision
};

/// What float32 or bfloat16 arithmetic may differ from the reference, for inputs of unit variance.
Tolerance tolerance(const ltp::Kernel& kernel, ltp::Element element);

/// Returns how many ties were decided otherwise than by the reference.
int compare(const Problem& problem, const Attention& attention, const ltp::PruningRule& rule,
            ltp::Carry carry, const Result& result, Tolerance tolerance, const std::string& where);

}  // namespace test
