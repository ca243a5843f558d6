// Stronger or weaker pruning: what Python's LayerRule.scaled does.
#pragma once

#include <algorithm>
#include <string>

namespace ltp {

/// A layer's threshold, ratio or keep rate, by the mode that manifests and engine files name, with
/// its pruning made stronger (a factor above 1) or weaker; 0 prunes nothing.
inline double scaled_threshold(const std::string& mode, double threshold, double factor) {
    const bool prunes = mode == "topk" ? threshold != 1 : mode != "none" && threshold > 0;
    if (!prunes || factor == 1) return threshold;
    if (mode == "topk") return std::min(1., std::max(.01, 1 - (1 - threshold) * factor));
    if (mode == "relative") return std::min(1., threshold * factor);
    return threshold * factor;
}

}  // namespace ltp
