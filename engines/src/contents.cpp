#include "contents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "ltp/engine.h"
#include "text.h"

namespace ltp {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t sparse =
    64;  // a file is, of which less than one part in so many is stored
constexpr std::uintmax_t block = 512;  // bytes, in which st_blocks counts

/// The names of a path's components, from the bundle down.
std::vector<std::string> components(const fs::path& directory, const std::string& name) {
    std::vector<std::string> found;
    std::istringstream in(name);
    for (std::string part; std::getline(in, part, '/');) found.push_back(part);
    const bool bad = std::any_of(found.begin(), found.end(), [](const std::string& part) {
        return part.empty() || part == "." || part == "..";
    });
    if (bad || found.empty() || name.back() == '/' ||
        name.find_first_of(std::string("\\\0", 2)) != name.npos)
        throw Error(text("the manifest of ", directory, " names what cannot be a file inside the ",
                         "bundle: \"", name, '"'));
    return found;
}

void refuse_link(const fs::path& path) {
    if (fs::is_symlink(fs::symlink_status(path)))
        throw Error(text(path, " is a symbolic link; a bundle has files of its own only: ",
                         "copy it with the files that its links point to"));
}

bool has_holes(const fs::path& path, std::uintmax_t size) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return false;  // whoever reads it finds out why
    const off_t hole = lseek(descriptor, 0, SEEK_HOLE);
    close(descriptor);
    return hole >= 0 && static_cast<std::uintmax_t>(hole) < size;
}

/// The size of a file that may be opened.
std::uintmax_t regular_size(const fs::path& path) {
    refuse_link(path);
    struct stat found{};
    if (lstat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode))
        throw Error(text(path, " is not a regular file; copy or build the bundle again"));
    const auto size = static_cast<std::uintmax_t>(found.st_size);
    // Some file systems do not say how much they store, and some store zeros as holes.
    if (static_cast<std::uintmax_t>(found.st_blocks) * block * sparse < size &&
        has_holes(path, size))
        throw Error(text(path, " is ", size, " bytes, nearly all of them holes; copy or build the ",
                         "bundle again"));
    return size;
}

std::set<std::string> folders_of(const std::map<std::string, std::uint64_t>& sizes) {
    std::set<std::string> folders;
    for (const auto& [name, size] : sizes)
        for (std::size_t at = name.find('/'); at != name.npos; at = name.find('/', at + 1))
            folders.insert(name.substr(0, at));
    return folders;
}

}  // namespace

void check_name(const fs::path& directory, const std::string& name) { components(directory, name); }

fs::path regular_file(const fs::path& directory, const std::string& name, std::uintmax_t most) {
    fs::path path = directory;
    for (const std::string& part : components(directory, name)) {
        refuse_link(path /= part);
        if (!fs::exists(fs::symlink_status(path)))
            throw Error(text(directory, " is incomplete: ", name, " is missing"));
    }
    if (const std::uintmax_t size = regular_size(path); size > most)
        throw Error(text(path, " has ", size, " bytes, and no bundle's has more than ", most,
                         "; copy or build the bundle again"));
    return path;
}

void check_contents(const fs::path& directory, const std::map<std::string, std::uint64_t>& sizes,
                    const std::set<std::string>& besides) {
    for (const auto& [name, size] : sizes) check_name(directory, name);
    const std::set<std::string> folders = folders_of(sizes);
    std::map<std::string, std::uintmax_t> found;
    std::vector<std::string> waiting{""};
    while (!waiting.empty()) {
        const std::string folder = waiting.back();
        waiting.pop_back();
        for (const auto& entry : fs::directory_iterator(directory / folder)) {
            const std::string file = entry.path().filename();
            const std::string name = folder.empty() ? file : folder + '/' + file;
            if (folders.count(name)) {
                refuse_link(entry.path());
                waiting.push_back(name);
            } else if (sizes.count(name)) {
                found[name] = regular_size(entry.path());
            } else if (!besides.count(name)) {
                throw Error(text(entry.path(), " is not in the manifest of ", directory,
                                 "; remove it, or rebuild the bundle"));
            }
        }
    }
    for (const auto& [name, size] : sizes) {
        if (!found.count(name)) {
            const fs::path path = regular_file(directory, name);
            throw Error(text(directory, " is incomplete: ", name, " is missing"));
        }
        if (found[name] != size)
            throw Error(text(directory / name, " is truncated or edited: ", found[name],
                             " bytes, expected ", size, "; copy the bundle again, or rebuild it"));
    }
}

}  // namespace ltp
