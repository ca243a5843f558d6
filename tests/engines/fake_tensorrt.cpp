// A library that looks like libnvinfer: its only engine gives, for each sequence, the sums of its
// ids, positions and types, and all tokens as survivors; of sequences without tokens -1. It has an
// optimisation profile for 12 tokens of 3 sequences, and one for 6 tokens of one. Its version is in
// the variable FAKE_TENSORRT_VERSION.
#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_interface.h"

namespace {

using namespace nvinfer1;

ILogger* logger = nullptr;

void complain(const char* message) { logger->log(ILogger::Severity::kERROR, message); }

bool is(const char* name, const char* other) { return std::string(name) == other; }

bool is_output(const char* name) { return is(name, "logits") || is(name, "survivors.0.kept"); }

struct Context : IExecutionContext {
    Context() {
        mImpl = functions.get();
        functions.on(
            &apiv::VExecutionContext::setInputTensorAddress,
            +[](void* self, char const* name, void const* data) {
                of(self).inputs[name] = static_cast<const std::int32_t*>(data);
                return true;
            });
        functions.on(
            &apiv::VExecutionContext::setOutputAllocator,
            +[](void* self, char const* name, IOutputAllocator* out) {
                of(self).outputs[name] = out;
                return is_output(name);
            });
        functions.on(
            &apiv::VExecutionContext::setInputShape,
            +[](void* self, char const* name, Dims const& shape) {
                of(self).lengths[name] = shape.d[0];
                return shape.nbDims == 1;
            });
        functions.on(
            &apiv::VExecutionContext::enqueueV3,
            +[](void* self, cudaStream_t stream) { return of(self).run(stream); });
        functions.on(
            &apiv::VExecutionContext::setOptimizationProfileAsync,
            +[](void* self, std::int32_t number, cudaStream_t) {
                of(self).profile = number;
                return number < 2;
            });
        functions.on(
            &apiv::VExecutionContext::setDeviceMemoryV2,
            +[](void* self, void* memory, std::int64_t size) {
                of(self).memory = size == 1000 ? static_cast<char*>(memory) : nullptr;
            });
    }

    static Context& of(void* object) {
        return test::FakeInterface<apiv::VExecutionContext>::owner<Context>(object);
    }

    template <class Number>
    Number* output(const char* name, std::initializer_list<std::int64_t> sizes) {
        Dims shape{static_cast<std::int32_t>(sizes.size()), {}};
        std::uint64_t bytes = sizeof(Number);
        for (std::size_t i = 0; i < sizes.size(); ++i) bytes *= shape.d[i] = *(sizes.begin() + i);
        auto* memory = outputs.at(name)->reallocateOutputAsync(name, nullptr, bytes, 256, nullptr);
        outputs.at(name)->notifyShape(name, shape);
        return static_cast<Number*>(memory);
    }

    /// What a graph repeats.
    struct Work {
        Context& context;
        std::int64_t sequences;
        float* logits;

        void operator()() const {
            const char* const names[] = {"input_ids", "position_ids", "token_type_ids"};
            const std::int32_t* offsets = context.inputs.at("offsets");
            std::fill(context.memory, context.memory + 1000, char{1});
            for (std::int64_t b = 0; b < sequences; ++b)
                for (int i = 0; i < 3; ++i) {
                    float& sum = logits[b * 3 + i] = offsets[b] == offsets[b + 1] ? -1 : 0;
                    for (auto t = offsets[b]; t < offsets[b + 1]; ++t)
                        sum += context.inputs.at(names[i])[t];
                }
        }
    };

    bool run(cudaStream_t stream) {
        const std::int64_t tokens = lengths.at("input_ids"), sequences = lengths.at("offsets") - 1;
        if (tokens > (profile ? 6 : 12) || sequences > (profile ? 1 : 3) || !memory) return false;
        auto* logits = output<float>("logits", {sequences, 3});
        auto* kept = output<std::int32_t>("survivors.0.kept", {tokens});
        for (std::int32_t t = 0; t < tokens; ++t) kept[t] = t;
        const std::int32_t first = inputs.at("input_ids")[0];
        work.push_back(std::make_unique<Work>(Work{*this, sequences, logits}));
        cudaLaunchHostFunc(
            stream, [](void* data) { (*static_cast<Work*>(data))(); }, work.back().get());
        if (first == 998) outputs.at("logits")->notifyShape("logits", {2, {sequences, 2}});
        if (first == 997) outputs.at("logits")->notifyShape("logits", {2, {sequences + 1, 3}});
        if (first != 999) return true;
        complain("an unlucky number");
        return false;
    }

    std::vector<std::unique_ptr<Work>> work;
    int profile = 0;
    char* memory = nullptr;
    test::FakeInterface<apiv::VExecutionContext> functions{this};
    std::map<std::string, const std::int32_t*> inputs;
    std::map<std::string, std::int64_t> lengths;
    std::map<std::string, IOutputAllocator*> outputs;
};

struct Engine : ICudaEngine {
    Engine() {
        mImpl = functions.get();
        functions.on(&apiv::VCudaEngine::getNbIOTensors, +[](void*) { return 6; });
        functions.on(
            &apiv::VCudaEngine::getTensorIOMode, +[](void*, char const* name) {
                if (is(name, "mask")) return TensorIOMode::kNONE;
                return is_output(name) ? TensorIOMode::kOUTPUT : TensorIOMode::kINPUT;
            });
        functions.on(
            &apiv::VCudaEngine::getTensorDataType, +[](void*, char const* name) {
                const auto type =
                    std::getenv("FAKE_TENSORRT_HALF") ? DataType::kHALF : DataType::kFLOAT;
                return is(name, "logits") ? type : DataType::kINT32;
            });
        functions.on(
            &apiv::VCudaEngine::createExecutionContext,
            +[](void*, ExecutionContextAllocationStrategy strategy) -> IExecutionContext* {
                if (strategy == ExecutionContextAllocationStrategy::kUSER_MANAGED)
                    return new Context;
                return nullptr;
            });
        functions.on(
            &apiv::VCudaEngine::getDeviceMemorySizeV2, +[](void*) -> std::int64_t { return 1000; });
        functions.on(&apiv::VCudaEngine::getNbOptimizationProfiles, +[](void*) { return 2; });
        functions.on(
            &apiv::VCudaEngine::getProfileShape,
            +[](void*, char const* name, std::int32_t number, OptProfileSelector) {
                const bool offsets = is(name, "offsets");
                return Dims{1, {number ? offsets ? 2 : 6 : offsets ? 4 : 12}};
            });
    }
    test::FakeInterface<apiv::VCudaEngine> functions;
};

bool holds(const std::string& content, const char* words) {
    return content.find(words) != content.npos;
}

std::string content_of(const char* path) {
    std::string content(100, 0);
    if (std::FILE* file = std::fopen(path, "r")) {
        content.resize(std::fread(content.data(), 1, content.size(), file));
        std::fclose(file);
    }
    return content;
}

struct Runtime : IRuntime {
    Runtime() {
        mImpl = functions.get();
        functions.on(
            &apiv::VRuntime::getPluginRegistry,
            +[](void*) -> IPluginRegistry& { return *registry().get(); });
        functions.on(
            &apiv::VRuntime::deserializeCudaEngine,
            +[](void*, void const* bytes, std::size_t size) -> ICudaEngine* {
                if (holds({static_cast<const char*>(bytes), size}, "an engine")) return new Engine;
                complain("that is no engine");
                return nullptr;
            });
    }

    static test::FakeInterface<IPluginRegistry>& registry() {
        static test::FakeInterface<IPluginRegistry> registry;
        registry.on(
            &IPluginRegistry::loadLibrary, +[](void* self, char const* path) -> void* {
                if (holds(content_of(path), "a plugin")) return self;
                complain("that is no plugin");
                return nullptr;
            });
        return registry;
    }

    test::FakeInterface<apiv::VRuntime> functions;
};

std::array<int, 4> version() {
    std::array<int, 4> parts{};
    std::sscanf(std::getenv("FAKE_TENSORRT_VERSION"), "%d.%d.%d.%d", &parts[0], &parts[1],
                &parts[2], &parts[3]);
    return parts;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT std::int32_t getInferLibVersion() {
    return version()[0] * 10000 + version()[1] * 100 + version()[2];
}
EXPORT std::int32_t getInferLibMajorVersion() { return version()[0]; }
EXPORT std::int32_t getInferLibMinorVersion() { return version()[1]; }
EXPORT std::int32_t getInferLibPatchVersion() { return version()[2]; }
EXPORT std::int32_t getInferLibBuildVersion() { return version()[3]; }

EXPORT void* createInferRuntime_INTERNAL(void* given_logger, std::int32_t) {
    logger = static_cast<ILogger*>(given_logger);
    if (!std::getenv("FAKE_TENSORRT_BROKEN")) return new Runtime;
    complain("out of order");
    return nullptr;
}
