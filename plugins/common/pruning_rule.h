// The pruning rule: what a token's score is and when a token is pruned. Free of any framework,
// callable from host and device code.
#pragma once

#include <cmath>

#if defined(__CUDACC__)
#define LTP_HOST_DEVICE __host__ __device__
#else
#define LTP_HOST_DEVICE
#endif

namespace ltp {

enum class Mode { None, Absolute, Relative, TopK };

/// Which rows a layer hands to the next one.
enum class Carry {
    All,        ///< every row; those of pruned tokens are marked as not alive
    Survivors,  ///< compaction: the survivors' rows, or the first row alone of a finished sequence
    First,      ///< the first row of each sequence (all that the classifier reads)
    Bounded,    ///< the survivors' rows, at the front of as many rows as came in
};

struct PruningRule {
    Mode mode = Mode::None;
    float threshold =
        0.f;  ///< Absolute: least mean score. Relative: least score / best score. TopK: keep rate.
    int score_length = 0;  ///< Absolute: the denominator D; 0 = the sequence's own original length
    bool keep_first = true;  ///< the first token of a sequence is never pruned
};

/// Whether the rule can prune anything at all; if not, no scores are needed. No score is below 0.
LTP_HOST_DEVICE inline bool prunes(const PruningRule& rule) {
    switch (rule.mode) {
        case Mode::None: return false;
        case Mode::Absolute:
        case Mode::Relative: return rule.threshold > 0.f;
        case Mode::TopK: return rule.threshold != 1.f;
    }
    return false;
}

/// Absolute and Relative in one form: a token whose summed score is s is pruned if s / divisor <
/// threshold.
LTP_HOST_DEVICE inline float score_divisor(const PruningRule& rule, int heads, int original_length,
                                           float best_score) {
    if (rule.mode == Mode::Relative) return best_score;
    const int length = rule.score_length > 0 ? rule.score_length : original_length;
    return static_cast<float>(heads) * static_cast<float>(length);
}

LTP_HOST_DEVICE inline bool below_threshold(float score, float divisor, float threshold) {
    return score / divisor < threshold;  // strict: an equal score survives
}

/// TopK: how many tokens stay. Half rounds to even and the product is float32, as in torch.round.
LTP_HOST_DEVICE inline int keep_count(const PruningRule& rule, int original_length, int alive) {
    const float wanted = rintf(static_cast<float>(original_length) * rule.threshold);
    const float least = rule.keep_first ? 1.f : 0.f;
    if (!(wanted > least)) return static_cast<int>(least);
    return wanted < static_cast<float>(alive) ? static_cast<int>(wanted) : alive;
}

/// TopK: whether token a ranks before token b. A total order: a NaN score ranks highest, ties go to
/// the lower index.
LTP_HOST_DEVICE inline bool ranks_before(const PruningRule& rule, const float* scores, int a,
                                         int b) {
    if (rule.keep_first && (a == 0) != (b == 0)) return a == 0;
    const bool nan_a = scores[a] != scores[a], nan_b = scores[b] != scores[b];
    if (nan_a != nan_b) return nan_a;
    if (!nan_a && scores[a] != scores[b]) return scores[a] > scores[b];
    return a < b;
}

}  // namespace ltp
