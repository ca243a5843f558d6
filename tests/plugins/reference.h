// The op again, as plainly as possible: scalar, double precision, written from its definition.
#pragma once

#include <vector>

#include "problem.h"

namespace test {

/// Everything that does not depend on the rule.
struct Attention {
    std::vector<double>
        score;  // [T] summed over heads and alive query rows; 0 for rows that are not alive
    std::vector<double>
        context;  // [T, hidden]; 0 for rows that are not alive and for finished sequences
};

Attention reference_attention(const Problem& problem);

struct Decision {
    std::vector<bool> survives;  // [T]
    /// [T] the score is so close to the limit that float32 may decide otherwise
    std::vector<bool> doubtful;
};

/// closeness: relative distance from the limit below which a decision is doubtful.
Decision reference_decision(const Problem& problem, const Attention& attention,
                            const ltp::PruningRule& rule, double closeness);

}  // namespace test
