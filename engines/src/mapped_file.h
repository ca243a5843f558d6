#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "lease.h"
#include "memory.h"

namespace ltp {

/// The contents of a file as they were when it was opened, in memory that is shared with other
/// processes where possible.
///
/// A file that is mapped costs nothing to load, but whoever writes to it changes what its readers
/// see, and whoever cuts it short kills them. So it is mapped under a lease, and copied at once
/// where no lease is to be had.
class MappedFile {
public:
    /// Throws Error where the file cannot be read.
    explicit MappedFile(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return path_; }
    /// Valid, and the same, as long as this object lives.
    std::string_view data() const { return lease_ ? lease_->data() : copy_->data(); }
    /// Whether other processes that read the file use the same memory.
    bool shared() const { return lease_ && lease_->held(); }

private:
    const std::filesystem::path path_;
    std::unique_ptr<Lease> lease_;
    std::optional<Memory> copy_;  // where there is no lease
};

}  // namespace ltp
