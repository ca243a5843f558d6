// How work is shared out among threads.
#pragma once

#include <functional>

namespace ltp {

/// Runs body(0) ... body(count - 1), in this order but possibly at the same time, and waits for
/// all.
using ParallelFor = void (*)(int count, const std::function<void(int)>& body);

}  // namespace ltp
