// How to run a layer on the emulated GPU.
#pragma once

#include <string>
#include <vector>

#include "cuda/pruned_attention.h"
#include "problem.h"

namespace test {

/// Inputs that half precision can represent. `pruned`: the share of rows that are not alive.
Problem half_problem(Random& random, int heads, int head_size, const std::vector<int>& lengths,
                     double pruned);

std::vector<__half> to_half(const std::vector<float>& values);

struct LayerResult : Result {
    std::vector<unsigned long long>
        scores;  // [rows of the problem] in fixed point, if the rule prunes
};

/// The layer's result as the reference describes it: without padding, which is checked and left
/// out. spare_rows: how many rows of padding the input has, after those of the last sequence.
LayerResult run(const Problem& problem, const ltp::PruningRule& rule, ltp::Carry carry,
                int spare_rows = 0);

/// What rounding probabilities and context to half precision may cost, for inputs of unit variance.
constexpr double kContextTolerance = 2e-3;

/// Also compares it with the reference. Returns how many ties were decided otherwise.
int check(const Problem& problem, const struct Attention& attention, const ltp::PruningRule& rule,
          ltp::Carry carry, int spare_rows = 0);

}  // namespace test
