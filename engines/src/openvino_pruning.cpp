#include "openvino_pruning.h"

#include <cstring>
#include <openvino/core/attribute_visitor.hpp>
#include <string>

#include "ltp/engine.h"
#include "pruning.h"
#include "text.h"

namespace ltp {
namespace {

/// Sets the threshold of the plugin's operator, whose class is known to the plugin alone. It visits
/// `mode` before `threshold`.
class Scaling : public ov::AttributeVisitor {
public:
    Scaling(double threshold, double factor) : threshold_(threshold), factor_(factor) {}

    void on_adapter(const std::string&, ov::ValueAccessor<void>&) override {}
    void on_adapter(const std::string& name, ov::ValueAccessor<std::string>& value) override {
        if (name == "mode") mode_ = value.get();
    }
    void on_adapter(const std::string& name, ov::ValueAccessor<double>& value) override {
        if (name == "threshold" && mode_ != "none")
            value.set(scaled_threshold(mode_, threshold_, factor_));
    }

private:
    const double threshold_, factor_;
    std::string mode_ = "none";
};

}  // namespace

void scale_thresholds(ov::Model& model, const std::vector<double>& thresholds, double factor) {
    std::size_t layer = 0;
    for (const auto& node : model.get_ordered_ops()) {
        if (std::strcmp(node->get_type_name(), "PrunedAttention") != 0) continue;
        if (layer < thresholds.size()) {
            Scaling scaling(thresholds[layer], factor);
            node->visit_attributes(scaling);
        }
        ++layer;
    }
    if (layer != thresholds.size())
        throw Error(text("the engine has ", layer, " layers, the manifest's policy ",
                         thresholds.size(), "; rebuild the bundle"));
    model.validate_nodes_and_infer_types();
}

}  // namespace ltp
