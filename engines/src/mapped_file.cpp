#include "mapped_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "ltp/engine.h"
#include "text.h"

namespace ltp {

MappedFile::MappedFile(const std::filesystem::path& path) try : path_(path) {
    const int descriptor = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw std::system_error(errno, std::generic_category());
    try {
        lease_ = Lease::take(descriptor);
        if (!lease_) copy_.emplace(Memory::copied(descriptor));
    } catch (...) {
        close(descriptor);
        throw;
    }
    if (!lease_) close(descriptor);
} catch (const std::system_error& error) {
    throw Error(text(path, " cannot be read: ", error.code().message()));
}

}  // namespace ltp
