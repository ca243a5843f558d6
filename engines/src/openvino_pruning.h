#pragma once

#include <openvino/core/model.hpp>
#include <vector>

namespace ltp {

/// Makes the pruning of an engine stronger or weaker, before it is compiled.
///
/// thresholds: of each layer, as in the policy that the engine was built with. A layer that was
/// compiled without pruning stays so. Throws Error where the engine has another number of layers.
void scale_thresholds(ov::Model& model, const std::vector<double>& thresholds, double factor);

}  // namespace ltp
