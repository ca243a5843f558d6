// Engine on TensorRT bundles: a toy engine in a fake of TensorRT, on a fake GPU, and every reason
// to refuse a bundle. The argument: the fake library.
#include <NvInferRuntime.h>
#include <stdlib.h>

#include "answers.h"
#include "fake_cudart.h"
#include "toy_bundle.h"

namespace {

namespace fs = std::filesystem;
using test::fake_gpus;

#ifdef TRT_MAJOR_RTX
const std::string library = "tensorrt_rtx", file_name = "libtensorrt_rtx.so.",
                  other_library = "tensorrt";
const int major = TRT_MAJOR_RTX, minor = TRT_MINOR_RTX;
#else
const std::string library = "tensorrt", file_name = "libnvinfer.so.",
                  other_library = "tensorrt_rtx";
const int major = NV_TENSORRT_MAJOR, minor = NV_TENSORRT_MINOR;
#endif
const std::string release = std::to_string(major) + "." + std::to_string(minor);
const std::string version = release + ".2.34";

struct GpuBundle : test::ToyBundle {
    explicit GpuBundle(const std::string& made_with = version) {
        make_tensorrt(library, made_with);
    }
};

void limits(const ltp::Engine& engine) {
    CHECK(engine.info().max_tokens == 12 && engine.info().max_batch == 3, "limits");
    const std::vector<std::int32_t> four = {2, 3, 4, 5};
    const ltp::Result largest = engine.run(ltp::pack({four, four, four}));
    CHECK(largest.logits[6] == 14, "the largest batch", largest.logits[6]);
    CHECK_REFUSED(engine.run(ltp::pack({{2}, {3}, {4}, {5}})),
                  "4 sequences, the engine takes at most 3");
    CHECK_REFUSED(engine.run(ltp::pack({{2, 3, 4, 5, 6}, four, four})),
                  "13 tokens, the engine takes at most 12");
    CHECK_REFUSED(engine.run(ltp::pack({std::vector<std::int32_t>(7)})), "takes at most 6");
    test::answers(engine);
}

void failures(const ltp::Engine& engine) {
    CHECK_REFUSED(engine.run(ltp::pack({{999}})),
                  "TensorRT cannot run the engine: an unlucky number");
    for (const int id : {997, 998})
        CHECK_REFUSED(engine.run(ltp::pack({{id}})), "the engine's logits are not [1, 3]");
    fake_gpus.status = cudaErrorIllegalAddress;
    CHECK_REFUSED(engine.run(ltp::pack({{5}})), "the GPU failed: some error");
    fake_gpus.status = cudaSuccess;
    test::answers(engine);
}

/// A bundle no size of which depends on the data.
void graphs() {
    GpuBundle toy;
    toy.replace("\"carry\": \"survivors\"", "\"carry\": \"first\"");
    const ltp::Engine engine(toy.path);
    test::answers(engine);
    const std::vector<std::int32_t> four = {2, 3, 4, 5}, three = {2, 3, 4};
    const auto launches = [&](const std::vector<std::vector<std::int32_t>>& texts) {
        const int before = test::graph_launches;
        const ltp::Result result = engine.run(ltp::pack(texts));
        CHECK(result.size() == texts.size(), result.size());
        for (std::size_t b = 0; b < texts.size(); ++b) {
            float sum = 0;
            for (const int id : texts[b]) sum += static_cast<float>(id);
            CHECK(result[b][0] == sum, b, result[b][0], sum);
        }
        return test::graph_launches - before;
    };
    // In the same bucket: 8 rows of 2 sequences, 6 of 1, and all there is: 12 of 3.
    CHECK(launches({four, three}) == 0 && launches({three, three}) == 1, "answers() was one");
    CHECK(launches({{7}, {8}}) == 1 && launches({four, four}) == 1, "and from then on");
    CHECK(launches({four}) == 1 && launches({three}) == 1, "alone, as three times before");
    CHECK(launches({four, four, four}) == 0 && launches({four, four, three}) == 0, "all rows");
    CHECK(launches({four, four, four}) == 1, "all rows again");
    CHECK_REFUSED(engine.run(ltp::pack({{999}, {1}, {1}})), "an unlucky number");

    test::graph_status = cudaErrorMemoryAllocation;
    const ltp::Engine other(toy.path);
    const int before = test::graph_launches;
    for (int i = 0; i < 4; ++i)
        CHECK(other.run(ltp::pack({four})).logits[0] == 14, "runs as it is");
    CHECK(test::graph_launches == before, "no graph");
    test::graph_status = cudaSuccess;

    const GpuBundle compacting;
    const ltp::Engine third(compacting.path);
    for (int i = 0; i < 4; ++i)
        CHECK(third.run(ltp::pack({four, {7}})).logits[0] == 14, "sizes of the data's choice");
    CHECK(test::graph_launches == before, "no graph");

    test::many_threads(engine, 3);
    test::many_threads(ltp::Engine(toy.path, {0, ltp::Performance::Throughput}), 3);
    CHECK(test::graph_launches > before + 1000, test::graph_launches - before);
}

void the_callers_gpu_stays(const ltp::Engine& engine) {
    int device = -1;
    engine.run(ltp::pack({{5}}));
    cudaGetDevice(&device);
    CHECK(device == 5, device);
}

void gpus() {
    const GpuBundle toy;
    const auto load = [&] { ltp::Engine{toy.path}; };
    fake_gpus.count = 0;
    CHECK_REFUSED(load(),
                  "this machine has no NVIDIA GPU (or its driver does not work): some error");
    fake_gpus.status = cudaErrorInsufficientDriver;
    CHECK_REFUSED(
        load(),
        "this machine has no NVIDIA GPU (or its driver does not work): the driver is too old");
    fake_gpus = {cudaSuccess, 1, 8, 6};
    CHECK_REFUSED(load(), "was built for GPUs of compute capability 7.5, this one has 8.6");
    fake_gpus = {};
}

void bundles() {
    GpuBundle toy;
    const auto load = [&](ltp::Options options = {}) { ltp::Engine(toy.path, options); };
    load();
    CHECK_REFUSED(load({2}), "2 threads; the engine runs on a GPU, leave it at 0");
    toy.replace("\"max_tokens\": 12", "\"max_tokens\": 13");
    CHECK_REFUSED(load(), "takes 12 tokens in 3 sequences, the manifest says 13 in 3");
    toy.replace("\"max_tokens\": 13", "\"max_tokens\": 12");
    setenv("FAKE_TENSORRT_BROKEN", "1", 1);
    CHECK_REFUSED(load(), "TensorRT does not start: out of order");
    unsetenv("FAKE_TENSORRT_BROKEN");
    setenv("FAKE_TENSORRT_HALF", "1", 1);
    CHECK_REFUSED(load(), "the engine's `logits` is not float32");
    unsetenv("FAKE_TENSORRT_HALF");
    toy.replace("\"logits\", \"survivors.0.kept\"", "\"logits\"");
    CHECK_REFUSED(load(), "the engine has 6 inputs and outputs, the manifest names 5");
    toy.replace("\"logits\"", "\"input_ids\"");
    CHECK_REFUSED(load(), "the manifest names `input_ids`, which is no output of the engine");
    toy.replace("\"max_tokens\": 12", "\"max_tokens\": 0");
    CHECK_REFUSED(load(), "sets no `max_tokens` or `max_batch`");
    toy.replace("\"plugin\": \"libltp_tensorrt.so\"", "\"plugin\": null");
    CHECK_REFUSED(load(), "was built without the C++ plugin, and so runs from Python only");
}

void files() {
    GpuBundle toy;
    toy.replace("\"file\": \"engine.plan\"", "\"file\": \"libltp_tensorrt.so\"");
    CHECK_REFUSED(ltp::Engine(toy.path),
                  "libltp_tensorrt.so\" cannot be loaded: that is no engine");
    toy.replace("\"plugin\": \"libltp_tensorrt.so\"", "\"plugin\": \"engine.plan\"");
    CHECK_REFUSED(ltp::Engine(toy.path), "engine.plan cannot be loaded: that is no plugin");
}

void versions() {
    const auto load = [](const std::string& made_with) { ltp::Engine(GpuBundle(made_with).path); };
    load(release + ".2");  // older packages name no build number
    for (const std::string& other : {release + ".2.35", release + ".1", release + ".2.3"})
        CHECK_REFUSED(load(other),
                      "the version that it was built with, but " + version + " was found");
    const std::string needs =
        "whose classes are laid out otherwise; rebuild it with the headers of ";
    CHECK_REFUSED(load("9.1.0"), needs);
    CHECK_REFUSED(load("99.1.0"), needs);
    CHECK_REFUSED(load(""), needs);
    {
        test::ToyBundle other;
        other.make_tensorrt(other_library, "1.3.0");
        CHECK_REFUSED(ltp::Engine(other.path), needs);
    }
}

}  // namespace

int main(int, char** argv) {
    // The library is found under the name that a real one has, in a folder that the test was
    // started with.
    const fs::path links = getenv("LD_LIBRARY_PATH"),
                   link = links / (file_name + std::to_string(major));
    const GpuBundle toy;
    fs::remove(link);
    CHECK_REFUSED(ltp::Engine(toy.path),
                  "it was looked for in LD_LIBRARY_PATH (" + links.string() + ")");
    CHECK_REFUSED(ltp::Engine(toy.path), "cannot open shared object file");
    fs::create_symlink(argv[1], link);
    setenv("FAKE_TENSORRT_VERSION", version.c_str(), 1);
    {
        const ltp::Engine engine(toy.path);
        test::answers(engine);
        limits(engine);
        failures(engine);
        the_callers_gpu_stays(engine);
        test::many_threads(engine, 3);
        test::many_threads(ltp::Engine(toy.path, {0, ltp::Performance::Throughput}), 3);
    }
    if (library == "tensorrt") graphs();
    gpus();
    bundles();
    files();
    versions();
    return test::report("tensorrt");
}
