// Libraries in memory: whole, one for the same contents, whatever becomes of their files.
#include "library.h"

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "refused.h"
#include "toy_bundle.h"

namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

fs::path path_of(const fs::path& file) { return ltp::library_path(ltp::MappedFile(file)); }

void one_for_the_same_contents() {
    test::ToyBundle toy;
    const std::string code(3000000, '\x90');
    for (const char* name : {"first.so", "second.so"}) toy.put(name, code);
    toy.put("third.so", code + "!");
    const fs::path first = path_of(toy.path / "first.so");
    CHECK(first != toy.path / "first.so" && content(first) == code, first);
    CHECK(path_of(toy.path / "second.so") == first, "the same contents");
    toy.put("first.so", "others");
    CHECK(content(first) == code, "the file was written over");
    const fs::path third = path_of(toy.path / "third.so");
    CHECK(third != first && content(third) == code + "!", third);
    CHECK(content(path_of(toy.path / "first.so")) == "others", "new contents");
    CHECK(content(first) == code, "the first one stays");
}

/// All at once, with nothing else between them that would put them in order: so the thread
/// sanitizer sees whether the paths are guarded.
void from_many_threads() {
    test::ToyBundle toy;
    toy.put("plugin.so", "the same");
    const ltp::MappedFile library(toy.path / "plugin.so");
    std::vector<fs::path> paths(8);
    std::atomic<std::size_t> ready{0};
    std::vector<std::thread> threads;
    for (fs::path& path : paths)
        threads.emplace_back([&] {
            for (++ready; ready < paths.size();) std::this_thread::yield();
            path = ltp::library_path(library);
        });
    for (std::thread& thread : threads) thread.join();
    for (const fs::path& path : paths) CHECK(path == paths[0], path);
}

}  // namespace

int main() {
    one_for_the_same_contents();
    from_many_threads();
    return test::report("library");
}
