#include "openvino_model.h"

#include <string>

#include "text.h"

namespace ltp {

std::shared_ptr<ov::Model> read_model(ov::Core& core, const MappedFile& graph,
                                      const MappedFile& weights) {
    const ov::Tensor constants(ov::element::u8, {weights.data().size()}, weights.data().data());
    return core.read_model(std::string(graph.data()), constants);
}

ov::AnyMap performance_settings(const Options& options) {
    if (options.threads < 0) throw Error(text(options.threads, " threads; give 0 or more"));
    ov::AnyMap map{ov::hint::performance_mode(options.performance == Performance::Latency
                                                  ? ov::hint::PerformanceMode::LATENCY
                                                  : ov::hint::PerformanceMode::THROUGHPUT)};
    if (options.threads > 0) {
        map.insert(ov::inference_num_threads(options.threads));
        // OpenVINO would bind them to the first cores, in every process to the same ones.
        map.insert(ov::hint::enable_cpu_pinning(false));
    }
    return map;
}

}  // namespace ltp
