// Engine: a toy bundle through OpenVINO, from one thread and from many.
#include "ltp/engine.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <functional>

#include "answers.h"
#include "toy_bundle.h"

namespace {

namespace fs = std::filesystem;

void refusals(const ltp::Engine& engine) {
    CHECK_REFUSED(engine.run({}), "the batch is empty");
    CHECK_REFUSED(engine.run(ltp::pack({{1}, {1000}})), "sequence 1: token 0 has id 1000");
    CHECK_REFUSED(engine.run(ltp::pack({std::vector<std::int32_t>(9)})), "takes at most 8");
    test::answers(engine);
}

void bad_bundles() {
    test::ToyBundle toy;
    CHECK_REFUSED(ltp::Engine(toy.path), "the bundle cannot be loaded");  // engine.xml is no IR
    toy.make_engine();
    CHECK_REFUSED(ltp::Engine(toy.path, {-1}), "-1 threads");
    for (const double bad : {-1., std::nan(""), HUGE_VAL})
        CHECK_REFUSED(ltp::Engine(toy.path, {1, ltp::Performance::Latency, bad}), "give 0 or a");
    CHECK(ltp::Engine(toy.path).info().num_labels == 3, "as it is");
    CHECK_REFUSED(ltp::Engine(toy.path, {1, ltp::Performance::Latency, 0}),
                  "the engine has 0 layers, the manifest's policy 1");
    const std::string labels = "\"num_labels\": 3", names = "\"no\", \"perhaps\", ";
    for (const char* other : {"2", "4"}) {  // names of labels would say it first
        test::ToyBundle one;
        one.make_engine();
        one.replace(labels, std::string("\"num_labels\": ") + other);
        one.replace(names + "\"oui \\u00e0 la carte\"", "");
        CHECK_REFUSED(ltp::Engine(one.path), "the engine's logits are [1,3] instead of [1,");
    }
    toy.replace("\"outputs\": [\"logits\"]", "\"outputs\": [\"nothing\"]");
    CHECK_REFUSED(ltp::Engine(toy.path), "the bundle cannot be loaded");
    toy.replace("\"outputs\": [\"nothing\"]", "\"outputs\": [\"logits\"]");
    toy.replace("\"input_ids\", ", "");
    CHECK_REFUSED(ltp::Engine(toy.path), "the engine takes 4 inputs, the manifest names 3");
    toy.replace("\"activations\": \"f32\"", "\"activations\": \"fp16\"");
    CHECK_REFUSED(ltp::Engine(toy.path), "activations fp16 are unknown");
    toy.replace("{\"openvino\": \"", "{\"openvino\": \"1");
    CHECK_REFUSED(ltp::Engine(toy.path), "was built with OpenVINO 1");
    CHECK_REFUSED(ltp::Engine(toy.path / "nowhere"), "is not a bundle");
}

/// Whatever becomes of a bundle's files, an engine that has them open does not notice.
void changed_files() {
    const auto written_over = [](const fs::path& file) {
        std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
        out << std::string(fs::file_size(file), '\x7f');
    };
    const auto cut = [](const fs::path& file) { fs::resize_file(file, 0); };
    const auto replaced = [](const fs::path& file) {
        std::ofstream(file.string() + ".new") << "others";
        fs::rename(file.string() + ".new", file);
    };
    const auto removed = [](const fs::path& file) { fs::remove(file); };
    for (const std::function<void(const fs::path&)>& change :
         {std::function<void(const fs::path&)>(written_over), {cut}, {replaced}, {removed}}) {
        test::ToyBundle toy;
        toy.make_engine();
        const ltp::Engine engine(toy.path);
        for (const char* file : {"engine.xml", "engine.bin", "plugin.so"}) change(toy.path / file);
        test::answers(engine);
        CHECK(engine.run(ltp::pack({{999}})).logits[0] == 999, "an id that was not asked before");
        CHECK_REFUSED(ltp::Engine(toy.path), toy.path.string());
    }
}

/// Else those of several processes would share the first cores.
void unbound_threads(const fs::path& bundle) {
    const auto cores = [](pid_t thread) {
        cpu_set_t set;
        return sched_getaffinity(thread, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    };
    const int all = cores(0);
    const ltp::Engine engine(bundle, {1});
    std::atomic<bool> working = true;
    std::thread work([&] {
        for (int i = 0; i < 3000; ++i) engine.run(ltp::pack({{1, 2, 3}}));
        working = false;
    });
    while (working)
        for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
            const int found = cores(std::stoi(thread.path().filename()));
            CHECK(found == all || found == 0, "a thread is bound to", found, "of", all, "cores");
        }
    work.join();
}

void moved_from(ltp::Engine&& engine) {
    const ltp::Engine other = std::move(engine);
    test::answers(other);
    CHECK_REFUSED(engine.run(ltp::pack({{1}})), "was moved from");
    CHECK_REFUSED(engine.tokenize({"a text"}), "was moved from");
    CHECK_REFUSED(engine.info(), "was moved from");
}

#ifndef LTP_NO_THREADS_AFTER_FORK
/// A forked process is told that it has no threads of the engine, may let it go, and may load the
/// bundle itself.
void forked(const fs::path& bundle) {
    auto engine = std::make_unique<ltp::Engine>(bundle, ltp::Options{2});
    test::answers(*engine);
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);  // ends it where it waits for threads of its parent
        bool told = false;
        try {
            engine->run(ltp::pack({{1}}));
        } catch (const ltp::Error& error) {
            const std::string message = error.what();
            told = message.find("load the bundle in each process") != message.npos;
        }
        engine.reset();
        const ltp::Engine own(bundle, {2});
        _exit(told && own.run(ltp::pack({{5}})).logits[0] == 5 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the forked process ended with", status);
    test::answers(*engine);
}
#endif

}  // namespace

int main() {
    test::ToyBundle toy;
    toy.make_engine();
    unbound_threads(toy.path);  // before others, whose threads OpenVINO binds
    ltp::Engine first(toy.path);
    const ltp::Engine engine = std::move(first);
    test::answers(engine);
    refusals(engine);
    test::many_threads(engine, 5);
    test::many_threads(ltp::Engine(toy.path, {2, ltp::Performance::Throughput}), 5);
    bad_bundles();
    changed_files();
    moved_from(ltp::Engine(toy.path));
#ifndef LTP_NO_THREADS_AFTER_FORK
    forked(toy.path);
#endif
    return test::report("engine");
}
