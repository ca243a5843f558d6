// The keep decision for one sequence, on the host.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "pruning_rule.h"

namespace ltp {

/// Decides which of the `count` alive tokens of one sequence survive.
///
/// scores  [count]  attention probability each token receives, summed over heads and alive query
/// rows survives [count]  out: 1 = survives, 0 = pruned
inline void select_survivors(const PruningRule& rule, int heads, int original_length,
                             const float* scores, int count, uint8_t* survives) {
    if (count == 0) return;
    if (!prunes(rule)) {
        std::fill_n(survives, count, uint8_t{1});
        return;
    }
    if (rule.mode == Mode::TopK) {
        const int keep = keep_count(rule, original_length, count);
        std::vector<int> ranking(count);
        std::iota(ranking.begin(), ranking.end(), 0);
        std::nth_element(ranking.begin(), ranking.begin() + keep, ranking.end(),
                         [&](int a, int b) { return ranks_before(rule, scores, a, b); });
        std::fill_n(survives, count, uint8_t{0});
        for (int i = 0; i < keep; ++i) survives[ranking[i]] = 1;
        return;
    }
    const float best =
        rule.mode == Mode::Relative ? *std::max_element(scores, scores + count) : 0.f;
    const float divisor = score_divisor(rule, heads, original_length, best);
    for (int i = 0; i < count; ++i)
        survives[i] = !below_threshold(scores[i], divisor, rule.threshold);
    if (rule.keep_first) survives[0] = 1;
}

}  // namespace ltp
