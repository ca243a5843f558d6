/// What a manifest may say, whichever runtime reads it.
#pragma once

#include <string>
#include <vector>

#include "json.h"

namespace ltp {

/// Files and folders of the bundle that a manifest names, apart from its list of all files.
struct NamedFiles {
    std::vector<std::string> files, folders;
};

/// Refuses with json::Error what Python's `read_manifest` refuses: an entry that is missing,
/// unknown, of another type, out of its range, or that contradicts another one. The format version
/// and the backend must be known to be ours. Left to the comparison with the files that are there:
/// names of files, their sizes and digests.
NamedFiles check_manifest(const json::Value& manifest);

}  // namespace ltp
