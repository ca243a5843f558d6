// The linear layer as OpenVINO sees it: attributes, shapes, what it refuses, and infer requests in
// parallel. Usage: test_linear_op <path of the plugin>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>

#include "op_support.h"
#include "openvino/linear_op.h"
#include "run.h"

namespace {

using ltp::Linear;
using test::output;
using test::refused;
using test::tensor;

struct Shapes {
    ov::PartialShape x{-1, 40};
    ov::Shape weight{50, 40}, bias{50};
};

std::vector<float> random_values(test::Random& random, const ov::Shape& shape) {
    std::normal_distribution<float> normal;
    std::vector<float> values(ov::shape_size(shape));
    for (float& x : values) x = normal(random);
    return values;
}

std::shared_ptr<ov::op::v0::Constant> constant(const ov::Shape& shape, unsigned seed) {
    test::Random random(seed);
    return ov::op::v0::Constant::create(ov::element::f32, shape, random_values(random, shape));
}

std::shared_ptr<Linear> int8_linear(const Linear::Attributes& attributes,
                                    ov::element::Type weight = ov::element::i8, size_t scales = 50,
                                    size_t depth = 40, size_t factors = 0) {
    const auto x = std::make_shared<ov::op::v0::Parameter>(ov::element::f32,
                                                           ov::PartialShape{-1, int64_t(depth)});
    const auto values =
        ov::op::v0::Constant::create(weight, {50, depth}, std::vector<int>(50 * depth, 3));
    ov::OutputVector inputs{x, values, constant({50}, 2), constant({scales}, 3)};
    if (factors) inputs.push_back(constant({factors}, 4));
    return std::make_shared<Linear>(inputs, attributes);
}

std::shared_ptr<ov::Model> model_of(const std::shared_ptr<Linear>& op) {
    const auto x = ov::as_type_ptr<ov::op::v0::Parameter>(op->get_input_node_shared_ptr(0));
    return std::make_shared<ov::Model>(ov::ResultVector{std::make_shared<ov::op::v0::Result>(op)},
                                       ov::ParameterVector{x}, "linear");
}

std::shared_ptr<ov::Model> model(const Linear::Attributes& attributes, const Shapes& shapes = {},
                                 ov::element::Type element = ov::element::f32) {
    const auto x = std::make_shared<ov::op::v0::Parameter>(element, shapes.x);
    const auto weight = constant(shapes.weight, 1), bias = constant(shapes.bias, 2);
    return model_of(std::make_shared<Linear>(ov::OutputVector{x, weight, bias}, attributes));
}

std::vector<float> alone(const std::vector<float>& x, int rows) {
    const auto weight = constant({50, 40}, 1), bias = constant({50}, 2);
    const ltp::PackedWeights packed({weight->get_data_ptr<float>()}, 50, 40,
                                    ltp::select_kernel(ltp::Precision::F32).linear[0],
                                    test::serial_for);
    std::vector<float> y(size_t(rows) * 50);
    ltp::linear(x.data(), rows, packed, bias->get_data_ptr<float>(), ltp::Activation::Gelu,
                y.data(), 1, test::serial_for);
    return y;
}

void attributes_survive_a_file(ov::Core& core) {
    std::stringstream xml, bin;
    ov::pass::Serialize(xml, bin).run_on_model(
        model_of(int8_linear({"gelu_tanh", "avx2", 0.5f, 7}, ov::element::i8, 50, 40, 40)));
    const std::string weights = bin.str();
    ov::Tensor data(ov::element::u8, {weights.size()});
    std::memcpy(data.data(), weights.data(), weights.size());
    std::stringstream again, unused;
    ov::pass::Serialize(again, unused).run_on_model(core.read_model(xml.str(), data));
    CHECK(xml.str().find("activation=\"gelu_tanh\"") != std::string::npos, xml.str());
    CHECK(xml.str().find("input_zero_point=\"7\"") != std::string::npos, xml.str());
    CHECK(again.str() == xml.str(), again.str());
}

void shapes_are_inferred() {
    CHECK(model({})->output().get_partial_shape() == ov::PartialShape({-1, 50}), "rows are free");
    const auto seven = model({}, {{7, -1}})->output().get_partial_shape();
    CHECK(seven == ov::PartialShape({7, 50}), seven);
}

void bad_nodes_are_refused() {
    refused("activation is 'swish'", [] { model({"swish"}); });
    refused("unknown instruction set 'mmx'", [] { model({"none", "mmx"}); });
    refused("x must be f32 or bf16", [] { model({}, {}, ov::element::f16); });
    refused("expected [?,40]", [] { model({}, {{-1, 41}}); });
    refused("expected [?,40]", [] { model({}, {{-1, 3, 40}}); });
    refused("expected weight [columns, depth]", [] { model({}, {{-1, 40}, {50, 40}, {49}}); });
    refused("expected weight [columns, depth]", [] { model({}, {{-1, 40}, {50}, {50}}); });
    refused("input 1 must be a Constant", [] {
        const auto x =
            std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::PartialShape{-1, 40});
        const auto weight =
            std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{50, 40});
        std::make_shared<Linear>(ov::OutputVector{x, weight, constant({50}, 2)},
                                 Linear::Attributes{});
    });
}

void bad_int8_nodes_are_refused() {
    int8_linear({});
    refused("input 1 must be i8", [] { int8_linear({}, ov::element::u8); });
    refused("expected scale [columns]", [] { int8_linear({}, ov::element::i8, 49); });
    const auto calibrated = [](float scale, int64_t zero_point, size_t factors) {
        int8_linear({"none", "", scale, zero_point}, ov::element::i8, 50, 40, factors);
    };
    calibrated(1.f, 255, 40);
    refused("input_scale is -1", [&] { calibrated(-1.f, 0, 40); });
    refused("input_scale is 0", [&] { calibrated(0.f, 0, 40); });
    refused("input_scale is 1", [&] { calibrated(1.f, 0, 0); });
    refused("input_zero_point is 256", [&] { calibrated(1.f, 256, 40); });
    refused("expected factor [depth]", [&] { calibrated(1.f, 0, 41); });
    refused("too large for int8", [] { int8_linear({}, ov::element::i8, 50, 70000); });
}

void requests_run_in_parallel(ov::Core& core) {
    test::in_parallel(core, model({"gelu"}), [](ov::InferRequest& request, int seed) {
        test::Random random(seed);
        int different = 0;
        for (int rows = 0; rows < 40; ++rows) {
            const auto x = random_values(random, {size_t(rows), 40});
            request.set_input_tensor(0, tensor(x, {size_t(rows), 40}));
            request.infer();
            const auto y = output<float>(request, 0), expected = alone(x, rows);
            different += y.size() != expected.size();
            for (size_t i = 0; i < y.size(); ++i) different += std::abs(y[i] - expected[i]) > 1e-5f;
        }
        return different;
    });
}

}  // namespace

int main(int, char** argv) {
    ov::Core core;
    core.add_extension(argv[1]);
    attributes_survive_a_file(core);
    shapes_are_inferred();
    bad_nodes_are_refused();
    bad_int8_nodes_are_refused();
    requests_run_in_parallel(core);
    return test::report("linear_op");
}
