#pragma once

#include "ltp/engine.h"

namespace ltp {

/// Refuses what the model or its engine cannot take. Throws InputError.
void check_batch(const Batch& batch, const Info& info);

}  // namespace ltp
