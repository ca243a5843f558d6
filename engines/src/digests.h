#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ltp {

/// What files are known by in a bundle's manifest, in lower-case hex: the SHA-256 of the SHA-256s
/// (32 bytes each) of a file's pieces of 4 MiB, one after another. The last piece may be shorter,
/// and an empty file has none. The pieces of all files are hashed at the same time, on all threads.
std::vector<std::string> digests(const std::vector<std::string_view>& files);

}  // namespace ltp
