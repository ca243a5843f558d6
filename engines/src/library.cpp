#include "library.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "sha256.h"

namespace ltp {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kExecutable = 0x10;  // MFD_EXEC of Linux 6.3, which may refuse to run others

bool write_all(int descriptor, std::string_view data) {
    while (!data.empty()) {
        const ssize_t count = write(descriptor, data.data(), data.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        data.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

/// A file in memory, which stays open: the linker takes one path for one library for ever. Empty
/// where there is none.
fs::path in_memory(const MappedFile& library) {
    const std::string name = library.path().filename();
    int descriptor = memfd_create(name.c_str(), MFD_CLOEXEC | kExecutable);
    if (descriptor < 0) descriptor = memfd_create(name.c_str(), MFD_CLOEXEC);
    if (descriptor < 0) return {};
    const fs::path path = "/proc/self/fd/" + std::to_string(descriptor);
    if (write_all(descriptor, library.data()) && access(path.c_str(), R_OK) == 0) return path;
    close(descriptor);  // nobody was told of the path
    return {};
}

}  // namespace

fs::path library_path(const MappedFile& library) {
    static std::mutex mutex;
    static auto& paths = *new std::map<Sha256, fs::path>;  // as long as the process lives
    const Sha256 key = sha256_bytes(library.data());
    const std::lock_guard lock(mutex);
    const auto known = paths.find(key);
    if (known != paths.end()) return known->second;
    fs::path path = in_memory(library);
    if (path.empty()) path = fs::absolute(library.path());
    return paths[key] = path;
}

}  // namespace ltp
