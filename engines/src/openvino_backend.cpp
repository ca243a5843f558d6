#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <openvino/openvino.hpp>
#include <string>

#include "backend.h"
#include "infer.h"
#include "inputs.h"
#include "library.h"
#include "openvino_model.h"
#include "openvino_pruning.h"
#include "pool.h"
#include "text.h"

namespace ltp {
namespace {

/// Whether OpenVINO cannot compute in bf16 and does not know it: on Arm, where it would take f16 in
/// its place, and where the environment keeps oneDNN from it, where it would crash.
bool rules_out_bf16() {
#if !defined(__x86_64__)
    return true;
#endif
    const char* value = std::getenv("ONEDNN_MAX_CPU_ISA");
    std::string limit = value ? value : "";
    for (char& c : limit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    constexpr std::array without_bf16{"SSE41", "AVX", "AVX2", "AVX2_VNNI"};
    return std::find(without_bf16.begin(), without_bf16.end(), limit) != without_bf16.end();
}

ov::element::Type element_type(const std::string& activations) {
    if (activations == "f32") return ov::element::f32;
    if (activations == "bf16") return rules_out_bf16() ? ov::element::f32 : ov::element::bf16;
    throw Error(text("activations ", activations, " are unknown to this version of ltp-deploy"));
}

ov::AnyMap settings(const Bundle& bundle, const Options& options) {
    ov::AnyMap map = performance_settings(options);
    // Always explicit: OpenVINO's default is bf16 where the CPU has it, whatever the model's type.
    map.insert(ov::hint::inference_precision(element_type(bundle.openvino.activations)));
    return map;
}

ov::CompiledModel compile(ov::Core& core, const Bundle& bundle, const Options& options) {
    check_openvino(bundle, ov::get_openvino_version().buildNumber);
    core.add_extension(library_path(*bundle.plugin));
    const auto model = read_model(core, *bundle.engine, *bundle.openvino.weights);
    if (options.pruning != 1) scale_thresholds(*model, bundle.openvino.thresholds, options.pruning);
    return core.compile_model(model, "CPU", settings(bundle, options));
}

void check_inputs(const Bundle& bundle, const ov::CompiledModel& compiled) {
    for (const std::string& name : bundle.inputs) compiled.input(name);  // throws if there is none
    if (compiled.inputs().size() != bundle.inputs.size())
        throw Error(text("the engine takes ", compiled.inputs().size(),
                         " inputs, the manifest names ", bundle.inputs.size(),
                         "; rebuild the bundle"));
    for (const std::string& name : bundle.outputs) compiled.output(name);
}

/// As many as OpenVINO runs side by side.
std::vector<ov::InferRequest> create_requests(ov::CompiledModel& compiled) {
    std::vector<ov::InferRequest> requests(
        compiled.get_property(ov::optimal_number_of_infer_requests));
    for (auto& request : requests) request = compiled.create_infer_request();
    return requests;
}

/// Members are destroyed in reverse: the plugin's library, which `core_` holds, goes after what was
/// compiled, and the weights, which are read where they lie, go last.
class OpenVinoBackend : public Backend {
public:
    OpenVinoBackend(const Bundle& bundle, const Options& options)
        : bundle_(bundle),
          weights_(bundle.openvino.weights),
          compiled_(compile(core_, bundle, options)),
          requests_(create_requests(compiled_)) {
        check_inputs(bundle, compiled_);
    }

    Result infer(const Batch& batch) override;

private:
    const Bundle& bundle_;
    const BundleFile weights_;
    ov::Core core_;
    ov::CompiledModel compiled_;
    Pool<ov::InferRequest> requests_;
};

Result OpenVinoBackend::infer(const Batch& batch) {
    const EngineInputs inputs(batch, bundle_);
    Pool<ov::InferRequest>::Lease request(requests_);
    for (const std::string& name : bundle_.inputs) {
        const auto& ids = inputs[name];
        request->set_tensor(name, ov::Tensor(ov::element::i32, {ids.size()}, ids.data()));
    }
    ltp::infer(*request);
    const ov::Tensor logits = request->get_tensor("logits");
    const std::size_t sequences = batch.offsets.size() - 1, labels = bundle_.info.num_labels;
    if (logits.get_shape() != ov::Shape{sequences, labels})
        throw Error(text("the engine's logits are ", logits.get_shape(), " instead of ",
                         ov::Shape{sequences, labels}, "; rebuild the bundle"));
    const auto* first = logits.data<const float>();
    return {{first, first + logits.get_size()}, labels};
}

}  // namespace

std::unique_ptr<Backend> open_openvino(const Bundle& bundle, const Options& options) {
    return std::make_unique<OpenVinoBackend>(bundle, options);
}

}  // namespace ltp
