// Stronger or weaker pruning: which attributes of which nodes change.
#include <openvino/op/op.hpp>
#include <openvino/op/parameter.hpp>

#include "openvino_pruning.h"
#include "refused.h"

namespace {

/// What the plugin's operator is to this library: a name and attributes.
class PrunedAttention : public ov::op::Op {
public:
    OPENVINO_OP("PrunedAttention", "ltp")

    PrunedAttention(const ov::Output<ov::Node>& input, std::string mode, float threshold)
        : Op({input}), mode(std::move(mode)), threshold(threshold) {
        constructor_validate_and_infer_types();
    }

    void validate_and_infer_types() override {
        in_force = threshold;
        set_output_type(0, get_input_element_type(0), get_input_partial_shape(0));
    }
    std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& in) const override {
        return std::make_shared<PrunedAttention>(in[0], mode, threshold);
    }
    bool visit_attributes(ov::AttributeVisitor& visitor) override {
        visitor.on_attribute("heads", heads);
        visitor.on_attribute("mode", mode);
        visitor.on_attribute("threshold", threshold);
        visitor.on_attribute("keep_first", keep_first);
        return true;
    }

    int64_t heads = 4;
    std::string mode;
    float threshold, in_force = 0;
    bool keep_first = true;
};

struct Layers {
    std::shared_ptr<PrunedAttention> absolute, relative, topk, none;
    std::shared_ptr<ov::Model> model;

    Layers() {
        const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{1});
        absolute = std::make_shared<PrunedAttention>(input, "absolute", 0.25f);
        relative = std::make_shared<PrunedAttention>(absolute, "relative", 0.5f);
        topk = std::make_shared<PrunedAttention>(relative, "topk", 0.75f);
        none = std::make_shared<PrunedAttention>(topk, "none", 0.f);
        model = std::make_shared<ov::Model>(ov::OutputVector{none}, ov::ParameterVector{input});
    }
};

const std::vector<double> thresholds{0.25, 0.5, 0.75, 0.125};

void factors() {
    struct Case {
        double factor;
        float absolute, relative, topk;
    };
    for (const Case& c : {Case{1, 0.25f, 0.5f, 0.75f}, Case{0, 0, 0, 1},
                          Case{0.5, 0.125f, 0.25f, 0.875f}, Case{4, 1, 1, 0.01f}}) {
        Layers layers;
        ltp::scale_thresholds(*layers.model, thresholds, c.factor);
        CHECK(layers.absolute->threshold == c.absolute, c.factor, layers.absolute->threshold);
        CHECK(layers.relative->threshold == c.relative, c.factor, layers.relative->threshold);
        CHECK(layers.topk->threshold == c.topk, c.factor, layers.topk->threshold);
        CHECK(layers.topk->in_force == c.topk, "not validated", c.factor);
        CHECK(layers.none->threshold == 0, "compiled without pruning, and pruning now");
        CHECK(layers.none->heads == 4 && layers.none->mode == "none" && layers.none->keep_first,
              "other attributes");
    }
}

void other_layers() {
    for (const std::size_t count : {3, 5}) {
        Layers layers;
        CHECK_REFUSED(ltp::scale_thresholds(*layers.model, std::vector<double>(count), 2),
                      "the engine has 4 layers, the manifest's policy");
    }
}

}  // namespace

int main() {
    factors();
    other_layers();
    return test::report("pruning");
}
