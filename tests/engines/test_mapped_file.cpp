// Files in memory: the same at the same address, whatever becomes of the file.
#include "mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>

#include "refused.h"
#include "toy_bundle.h"

namespace {

namespace fs = std::filesystem;
using ltp::MappedFile;

const std::string before(1000001, 'b'), after(1000001, 'a');

struct Folder : test::ToyBundle {
    fs::path file(const std::string& content = before) {
        const std::string name = "file" + std::to_string(++files_);
        put(name, content);
        return path / name;
    }

private:
    int files_ = 0;
};

void write_over(const fs::path& path) {
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out) << after;
}

void contents() {
    Folder folder;
    for (const std::string& content : {before, std::string(), std::string(4096, 'x')}) {
        const MappedFile file(folder.file(content));
        CHECK(file.data() == content, file.data().size(), "bytes");
        CHECK(file.shared(), "the folder for temporary files grants no lease");
    }
    CHECK_REFUSED(MappedFile(folder.path / "nothing"), "nothing\" cannot be read: No such file");
    CHECK_REFUSED(MappedFile(folder.path), "cannot be read: Is a directory");
}

void changed() {
    Folder folder;
    const MappedFile over(folder.file()), cut(folder.file()), emptied(folder.file()),
        moved(folder.file()), removed(folder.file());
    const char* const address = over.data().data();
    write_over(over.path());
    fs::resize_file(cut.path(), 10);
    // by another program
    CHECK(std::system((": > '" + emptied.path().string() + "'").c_str()) == 0, "no shell");
    fs::rename(folder.file(after), moved.path());
    fs::remove(removed.path());
    for (const MappedFile* file : {&over, &cut, &emptied, &moved, &removed})
        CHECK(file->data() == before, file->path());
    CHECK(over.data().data() == address, "at another address");
    CHECK(!over.shared() && !cut.shared() && !emptied.shared(), "these are copies");
    CHECK(moved.shared() && removed.shared(), "these need no copy");
    CHECK(MappedFile(over.path()).data() == after, "what was written");
    CHECK(MappedFile(emptied.path()).data().empty(), "what was cut");
}

void open_for_writing_elsewhere() {
    Folder folder;
    const fs::path path = folder.file();
    const int writer = open(path.c_str(), O_WRONLY);
    const MappedFile file(path);
    CHECK(file.data() == before && !file.shared(), "a copy");
    CHECK(write(writer, after.data(), after.size()) == ssize_t(after.size()), "not written");
    CHECK(file.data() == before, "a copy");
    close(writer);
    CHECK(MappedFile(path).shared(), "nobody writes any more");
}

/// Files are read, opened and closed while others are written to.
void many_threads() {
    Folder folder;
    std::vector<std::thread> threads;
    std::vector<int> wrong(8);
    const fs::path kept = folder.file();
    const MappedFile file(kept);
    std::vector<fs::path> paths;
    for (int t = 0; t < 8; ++t) paths.push_back(folder.file());
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                const MappedFile own(paths[t]);
                const std::string content(own.data());
                if (i % 2 == 0) write_over(paths[t]);
                if (t == 0 && i == 10) write_over(kept);
                wrong[t] += own.data() != content || file.data() != before;
            }
        });
    for (std::thread& thread : threads) thread.join();
    for (const int count : wrong) CHECK(count == 0, "the contents changed");
}

/// The program's own signals do not go to our thread, nor ours to the program.
void signals() {
    static volatile sig_atomic_t caught = 0;
    signal(SIGIO, [](int) { caught = caught + 1; });
    Folder folder;
    const MappedFile file(folder.file());
    write_over(file.path());
    CHECK(caught == 0, "the program's handler was called");
    kill(getpid(), SIGIO);
    CHECK(caught == 1, "the program's handler was not called");
    signal(SIGIO, SIG_DFL);
}

// ThreadSanitizer knows no forked process that starts threads.
#if !defined(__SANITIZE_THREAD__) && !defined(LTP_NO_THREADS_AFTER_FORK)
/// A forked process may end what it inherited, and open files of its own.
void forked() {
    Folder folder;
    auto file = std::make_unique<MappedFile>(folder.file());
    const fs::path other = folder.file();
    const pid_t child = fork();
    if (child == 0) {
        file.reset();
        const MappedFile own(other);
        const bool shared = own.shared();
        write_over(other);
        _exit(shared && !own.shared() && own.data() == before ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0, "in the child", status);
    CHECK(file->shared(), "still ours");
    write_over(file->path());
    CHECK(file->data() == before && !file->shared(), "the child took our lease");
}
#endif

}  // namespace

/// Outlives main.
std::unique_ptr<MappedFile> last;

int main() {
    contents();
    changed();
    open_for_writing_elsewhere();
    many_threads();
    signals();
#if !defined(__SANITIZE_THREAD__) && !defined(LTP_NO_THREADS_AFTER_FORK)
    forked();
#endif
    Folder folder;
    last = std::make_unique<MappedFile>(folder.file());
    return test::report("mapped_file");
}
