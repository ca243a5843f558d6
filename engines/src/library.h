#pragma once

#include <filesystem>

#include "mapped_file.h"

namespace ltp {

/// A path at which the linker finds a library, with the contents that were checked.
///
/// A library is mapped as it is used, and whoever wrote to its file would end the process. So it is
/// a file in memory, one for all that have the same contents. Where the system has none, or runs
/// nothing from there, it is the file itself.
std::filesystem::path library_path(const MappedFile& library);

}  // namespace ltp
