#pragma once

#include <cstdint>
#include <vector>

#include "bundle.h"
#include "ltp/engine.h"

namespace ltp {

/// Refuses what the model cannot take. Throws InputError.
void check_batch(const Batch& batch, const Info& info);

/// [T] position ids of a checked batch; they start again in every sequence.
std::vector<std::int32_t> position_ids(const Batch& batch, const Bundle& bundle);

}  // namespace ltp
