// Engine: a toy bundle through OpenVINO, from one thread and from many.
#include "ltp/engine.h"

#include <algorithm>
#include <thread>

#include "refused.h"
#include "toy_bundle.h"

namespace {

using Logits = std::vector<float>;

void answers(const ltp::Engine& engine) {
    // [sum of ids, sum of positions (from 2; id 1 is padding: 1), sum of types] per sequence
    const ltp::Result result = engine.run(ltp::pack({{5, 6, 7}, {1, 9}}, {{0, 1, 1}, {0, 0}}));
    CHECK(result.size() == 2 && result.num_labels == 3, result.size(), result.num_labels);
    CHECK(result.logits == Logits({18, 9, 2, 10, 3, 0}), result[0][0], result[0][1], result[1][1]);
    CHECK(result.best(0) == 0 && result.best(1) == 0, "best");
    CHECK(engine.run(ltp::pack({{0, 0, 0}})).best(0) == 1, "best");
    CHECK(engine.run(ltp::pack({{5}})).logits == Logits({5, 2, 0}),
          "types are 0 where none are given");
}

void refusals(const ltp::Engine& engine) {
    CHECK_REFUSED(engine.run({}), "the batch is empty");
    CHECK_REFUSED(engine.run(ltp::pack({{1}, {1000}})), "sequence 1: token 0 has id 1000");
    CHECK_REFUSED(engine.run(ltp::pack({std::vector<std::int32_t>(9)})), "takes at most 8");
    answers(engine);
}

void many_threads(const ltp::Engine& engine) {
    std::vector<std::thread> threads;
    std::vector<int> wrong(8);
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) {
                const float id = static_cast<float>(2 + t * 100 + i);
                const std::vector<std::vector<std::int32_t>> same(1 + i % 5,
                                                                  {static_cast<int>(id)});
                const ltp::Result result = engine.run(ltp::pack(same));
                wrong[t] += result.size() != same.size();
                for (std::size_t b = 0; b < result.size(); ++b) wrong[t] += result[b][0] != id;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(std::count(wrong.begin(), wrong.end(), 0) == 8, "answers got mixed up");
}

void bad_bundles() {
    test::ToyBundle toy;
    CHECK_REFUSED(ltp::Engine(toy.path), "the bundle cannot be loaded");  // engine.xml is no IR
    toy.make_engine();
    CHECK_REFUSED(ltp::Engine(toy.path, {-1}), "-1 threads");
    toy.replace("\"input_ids\", ", "");
    CHECK_REFUSED(ltp::Engine(toy.path), "the engine takes 4 inputs, the manifest names 3");
    toy.replace("\"position_ids\"", "\"mask\"");
    CHECK_REFUSED(ltp::Engine(toy.path), "the engine takes `mask`");
    toy.replace("\"f32\"", "\"f64\"");
    CHECK_REFUSED(ltp::Engine(toy.path), "precision f64 is unknown");
    toy.replace("\"isa\": \"\"", "\"isa\": \"avx9\"");
    CHECK_REFUSED(ltp::Engine(toy.path), "instruction set avx9 is unknown");
    toy.replace("{\"openvino\": \"", "{\"openvino\": \"1");
    CHECK_REFUSED(ltp::Engine(toy.path), "was built with OpenVINO 1");
    CHECK_REFUSED(ltp::Engine(toy.path / "nowhere"), "is not a bundle");
}

}  // namespace

int main() {
    test::ToyBundle toy;
    toy.make_engine();
    ltp::Engine first(toy.path);
    const ltp::Engine engine = std::move(first);
    answers(engine);
    refusals(engine);
    many_threads(engine);
    many_threads(ltp::Engine(toy.path, {2, ltp::Performance::Throughput}));
    bad_bundles();
    return test::report("engine");
}
