#include "openvino_model.h"

#include <string>

namespace ltp {

std::shared_ptr<ov::Model> read_model(ov::Core& core, const MappedFile& graph,
                                      const MappedFile& weights) {
    const ov::Tensor constants(ov::element::u8, {weights.data().size()}, weights.data().data());
    return core.read_model(std::string(graph.data()), constants);
}

}  // namespace ltp
