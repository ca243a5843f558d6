#include <mutex>

#include "backend.h"
#include "cuda.h"
#include "library.h"
#include "pool.h"
#include "tensorrt_lane.h"
#include "tensorrt_library.h"
#include "text.h"

namespace ltp {
namespace {

using Lanes = std::vector<std::unique_ptr<TensorRtLane>>;

void check_options(const Options& options) {
    if (options.threads != 0)
        throw Error(text(options.threads, " threads; the engine runs on a GPU, leave it at 0"));
}

void check_bundle(const Bundle& bundle) {
    if (!bundle.plugin)
        throw Error(text(bundle.directory, " was built without the C++ plugin, and so runs from ",
                         "Python only; install ltp-deploy with TensorRT's headers present ",
                         "(TENSORRT_INCLUDE_DIR) and rebuild the bundle"));
    if (bundle.info.max_tokens == 0 || bundle.info.max_batch == 0)
        throw Error(text("the manifest of ", bundle.directory, " sets no `max_tokens` or ",
                         "`max_batch`, which a TensorRT engine needs; rebuild the bundle"));
}

void load_plugin(nvinfer1::IRuntime& runtime, const Bundle& bundle, const TensorRtLogger& logger) {
    const std::string path = library_path(*bundle.plugin).string();
    if (!runtime.getPluginRegistry().loadLibrary(path.c_str()))
        throw Error(text("the plugin ", bundle.plugin->path().string(),
                         " cannot be loaded: ", logger.last_error()));
}

std::unique_ptr<nvinfer1::ICudaEngine> load_engine(nvinfer1::IRuntime& runtime,
                                                   const Bundle& bundle,
                                                   const TensorRtLogger& logger) {
    const std::string_view bytes = bundle.engine->data();
    std::unique_ptr<nvinfer1::ICudaEngine> engine(
        runtime.deserializeCudaEngine(bytes.data(), bytes.size()));
    if (!engine)
        throw Error(text(bundle.engine->path(), " cannot be loaded: ", logger.last_error()));
    return engine;
}

/// The engine takes and gives what the manifest says, in the types that we expect.
void check_tensors(const nvinfer1::ICudaEngine& engine, const Bundle& bundle) {
    const auto check = [&](const std::string& name, nvinfer1::TensorIOMode mode) {
        if (engine.getTensorIOMode(name.c_str()) != mode)
            throw Error(text("the manifest names `", name, "`, which is no ",
                             mode == nvinfer1::TensorIOMode::kINPUT ? "input" : "output",
                             " of the engine; rebuild the bundle"));
        const bool logits = name == "logits";
        const auto wanted = logits ? nvinfer1::DataType::kFLOAT : nvinfer1::DataType::kINT32;
        if (engine.getTensorDataType(name.c_str()) != wanted)
            throw Error(text("the engine's `", name, "` is not ", logits ? "float32" : "int32",
                             "; rebuild the bundle"));
    };
    const auto &inputs = bundle.inputs, &outputs = bundle.outputs;
    for (const std::string& name : inputs) check(name, nvinfer1::TensorIOMode::kINPUT);
    for (const std::string& name : outputs) check(name, nvinfer1::TensorIOMode::kOUTPUT);
    check("logits", nvinfer1::TensorIOMode::kOUTPUT);
    const std::size_t named = inputs.size() + outputs.size();
    if (const std::size_t found = engine.getNbIOTensors(); found != named)
        throw Error(text("the engine has ", found, " inputs and outputs, the manifest names ",
                         named, "; rebuild the bundle"));
}

Lanes make_lanes(nvinfer1::ICudaEngine& engine, const Bundle& bundle, const Options& options,
                 const TensorRtLogger& logger, std::mutex& capturing) {
    Lanes lanes(options.performance == Performance::Throughput ? 2 : 1);
    for (auto& lane : lanes)
        lane = std::make_unique<TensorRtLane>(engine, bundle, logger, capturing);
    return lanes;
}

/// Members are destroyed in reverse: lanes, engine, runtime.
class TensorRtBackend : public Backend {
public:
    TensorRtBackend(const Bundle& bundle, const Options& options, const TensorRtLibrary& library)
        : bundle_(bundle), runtime_(library.create_runtime(logger_)) {
        load_plugin(*runtime_, bundle, logger_);
        engine_ = load_engine(*runtime_, bundle, logger_);
        check_tensors(*engine_, bundle);
        lanes_ = std::make_unique<Pool<Lanes::value_type>>(
            make_lanes(*engine_, bundle, options, logger_, capturing_));
    }

    Result infer(const Batch& batch) override {
        const EngineInputs inputs(batch, bundle_);
        const GpuScope scope;
        Pool<Lanes::value_type>::Lease lane(*lanes_);
        const std::size_t sequences = batch.offsets.size() - 1;
        return {(*lane)->infer(inputs, sequences),
                static_cast<std::size_t>(bundle_.info.num_labels)};
    }

private:
    const Bundle& bundle_;
    TensorRtLogger logger_;
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;
    std::mutex capturing_;
    std::unique_ptr<Pool<Lanes::value_type>> lanes_;
};

}  // namespace

std::unique_ptr<Backend> open_tensorrt(const Bundle& bundle, const Options& options) {
    check_options(options);
    check_bundle(bundle);
    const TensorRtLibrary library(bundle);
    check_gpu(bundle.tensorrt.compute_capability);
    const GpuScope scope;
    return std::make_unique<TensorRtBackend>(bundle, options, library);
}

}  // namespace ltp
