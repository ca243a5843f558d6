#include "ltp/engine.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <openvino/openvino.hpp>
#include <set>

#include "batch.h"
#include "bundle.h"
#include "pool.h"
#include "text.h"

namespace ltp {
namespace {

ov::element::Type element_type(const std::string& precision) {
    if (precision == "f32") return ov::element::f32;
    if (precision == "bf16") return ov::element::bf16;
    throw Error(text("precision ", precision, " is unknown to this version of ltp-deploy"));
}

ov::AnyMap settings(const Bundle& bundle, const Options& options) {
    if (options.threads < 0) throw Error(text(options.threads, " threads; give 0 or more"));
    // Always explicit: OpenVINO's default is bf16 where the CPU has it, whatever the model's type.
    ov::AnyMap map{ov::hint::inference_precision(element_type(bundle.info.precision)),
                   ov::hint::performance_mode(options.performance == Performance::Latency
                                                  ? ov::hint::PerformanceMode::LATENCY
                                                  : ov::hint::PerformanceMode::THROUGHPUT)};
    if (options.threads > 0) map.insert(ov::inference_num_threads(options.threads));
    return map;
}

void limit_isa(const Bundle& bundle) {
    if (bundle.isa.empty()) return;
    if (bundle.isa != "avx2") throw Error(text("instruction set ", bundle.isa, " is unknown"));
    setenv("ONEDNN_MAX_CPU_ISA", "AVX2", /*overwrite=*/0);
}

ov::CompiledModel compile(ov::Core& core, const Bundle& bundle, const Options& options) {
    check_openvino(bundle, ov::get_openvino_version().buildNumber);
    limit_isa(bundle);
    if (!bundle.plugin.empty()) core.add_extension(std::filesystem::absolute(bundle.plugin));
    const auto model = core.read_model(bundle.engine.string(), bundle.weights.string());
    return core.compile_model(model, "CPU", settings(bundle, options));
}

void check_inputs(const Bundle& bundle, const ov::CompiledModel& compiled) {
    static const std::set<std::string> known = {"input_ids", "position_ids", "token_type_ids",
                                                "offsets"};
    for (const std::string& name : bundle.inputs) {
        if (known.count(name) == 0)
            throw Error(
                text("the engine takes `", name, "`, unknown to this version of ltp-deploy"));
        compiled.input(name);  // throws if there is none
    }
    if (compiled.inputs().size() != bundle.inputs.size())
        throw Error(text("the engine takes ", compiled.inputs().size(),
                         " inputs, the manifest names ", bundle.inputs.size(),
                         "; rebuild the bundle"));
}

/// As many as OpenVINO runs side by side.
std::vector<ov::InferRequest> create_requests(ov::CompiledModel& compiled) {
    std::vector<ov::InferRequest> requests(
        compiled.get_property(ov::optimal_number_of_infer_requests));
    for (auto& request : requests) request = compiled.create_infer_request();
    return requests;
}

/// What `action` returns; whatever else fails inside becomes an Error.
template <typename Action>
auto with_errors(const char* failed, Action action) {
    try {
        return action();
    } catch (const Error&) {
        throw;
    } catch (const std::runtime_error& error) {
        throw Error(text(failed, ": ", error.what()));
    }
}

}  // namespace

std::size_t Result::best(std::size_t sequence) const {
    const float* row = (*this)[sequence];
    return std::max_element(row, row + num_labels) - row;
}

/// Members are destroyed in reverse: the plugin's library, which `core` holds, goes last.
struct Engine::Impl {
    Impl(const std::filesystem::path& path, const Options& options)
        : bundle(read_bundle(path)),
          compiled(compile(core, bundle, options)),
          requests(create_requests(compiled)) {
        check_inputs(bundle, compiled);
        // One token: with it the plugin packs its weights, so that no user waits for that.
        infer({{0}, {0, 1}, {}});
    }

    Result infer(const Batch& batch);

    Bundle bundle;
    ov::Core core;
    ov::CompiledModel compiled;
    Pool<ov::InferRequest> requests;
};

Result Engine::Impl::infer(const Batch& batch) {
    using Ids = std::vector<std::int32_t>;
    const Ids positions = position_ids(batch, bundle);
    const Ids zeros(batch.token_type_ids.empty() ? batch.input_ids.size() : 0);
    const std::map<std::string, const Ids*> values = {
        {"input_ids", &batch.input_ids},
        {"position_ids", &positions},
        {"token_type_ids", batch.token_type_ids.empty() ? &zeros : &batch.token_type_ids},
        {"offsets", &batch.offsets}};
    Pool<ov::InferRequest>::Lease request(requests);
    for (const std::string& name : bundle.inputs) {
        const Ids& ids = *values.at(name);
        request->set_tensor(name, ov::Tensor(ov::element::i32, {ids.size()}, ids.data()));
    }
    request->infer();
    const ov::Tensor logits = request->get_tensor("logits");
    const auto* first = logits.data<const float>();
    return {{first, first + logits.get_size()}, static_cast<std::size_t>(bundle.info.num_labels)};
}

Engine::Engine(const std::filesystem::path& bundle, const Options& options)
    : impl_(with_errors("the bundle cannot be loaded",
                        [&] { return std::make_unique<Impl>(bundle, options); })) {}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

const Info& Engine::info() const { return impl_->bundle.info; }

Result Engine::run(const Batch& batch) const {
    check_batch(batch, info());
    return with_errors("the engine failed", [&] { return impl_->infer(batch); });
}

}  // namespace ltp
