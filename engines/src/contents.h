// What lies in a bundle's directory: the files that its manifest lists, and nothing else. Nothing
// is opened before it was looked at: a pipe or a device never ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace ltp {

constexpr std::uintmax_t any_size = static_cast<std::uintmax_t>(-1);

/// The path of a bundle's regular file, which neither is nor lies behind a symbolic link and has at
/// most so many bytes. Throws Error for any other, and for a name that leaves the bundle.
std::filesystem::path regular_file(const std::filesystem::path& directory, const std::string& name,
                                   std::uintmax_t most = any_size);

/// Refuses a name that leaves the bundle.
void check_name(const std::filesystem::path& directory, const std::string& name);

/// Throws Error unless a directory holds the files of these names and sizes, those of `besides`,
/// and nothing else.
void check_contents(const std::filesystem::path& directory,
                    const std::map<std::string, std::uint64_t>& sizes,
                    const std::set<std::string>& besides);

}  // namespace ltp
