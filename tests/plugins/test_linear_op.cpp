// The linear layer as OpenVINO sees it: attributes, shapes, what it refuses, and infer requests in
// parallel. Usage: test_linear_op <path of the plugin>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>

#include "op_support.h"
#include "openvino/linear_op.h"
#include "packing.h"
#include "panels.h"
#include "run.h"

namespace {

using ltp::Linear;
using test::output;
using test::refused;
using test::tensor;

std::vector<float> random_values(test::Random& random, const ov::Shape& shape) {
    std::normal_distribution<float> normal;
    std::vector<float> values(ov::shape_size(shape));
    for (float& x : values) x = normal(random);
    return values;
}

using Attributes = Linear::Attributes;
using Constant = ov::op::v0::Constant;

std::shared_ptr<ov::op::v0::Parameter> parameter(const ov::PartialShape& shape,
                                                 ov::element::Type element = ov::element::f32) {
    return std::make_shared<ov::op::v0::Parameter>(element, shape);
}

/// W [50, 40] and its bias, packed in f32.
std::vector<char> panels() {
    test::Random random(1);
    const auto weight = random_values(random, {50, 40}), bias = random_values(random, {50});
    return test::packed({ltp::Weight::F32, 50, 40, bias.data(), weight.data()});
}

Attributes f32(const char* activation = "none", const char* isa = "") {
    return {"f32", 50, 40, activation, isa};
}

std::shared_ptr<Linear> int8_linear(const Attributes& attributes, size_t factors = 0) {
    const auto bytes = ltp::layout_of(ltp::Weight::INT8).bytes(int(attributes.depth));
    ov::OutputVector inputs{
        parameter({-1, attributes.depth}),
        Constant::create(ov::element::u8, {2, bytes}, std::vector<uint8_t>(2 * bytes))};
    if (factors)
        inputs.push_back(
            Constant::create(ov::element::f32, {factors}, std::vector<float>(factors, 1)));
    return std::make_shared<Linear>(inputs, attributes);
}

/// Its parameters are the model's, in this order.
std::shared_ptr<ov::Model> model_of(const std::shared_ptr<Linear>& op) {
    ov::ParameterVector parameters;
    for (const auto& input : op->input_values())
        if (auto parameter = ov::as_type_ptr<ov::op::v0::Parameter>(input.get_node_shared_ptr()))
            parameters.push_back(parameter);
    return std::make_shared<ov::Model>(ov::ResultVector{std::make_shared<ov::op::v0::Result>(op)},
                                       parameters, "linear");
}

/// With a residual, and with its rows if `rows` is not null; gamma is 2 and beta 3.
std::shared_ptr<Linear> normalized(const ov::PartialShape& residual,
                                   const ov::element::Type* rows = nullptr, float epsilon = 0.5f,
                                   ov::element::Type element = ov::element::f32) {
    const auto packed = panels();
    std::vector<float> norm(50, 2.f);
    norm.resize(100, 3.f);
    ov::OutputVector inputs{
        parameter({-1, 40}),
        std::make_shared<Constant>(ov::element::u8, ov::Shape{2, packed.size() / 2}, packed.data()),
        Constant::create(ov::element::f32, {2, 50}, norm), parameter(residual, element)};
    if (rows) inputs.push_back(parameter({-1}, *rows));
    auto attributes = f32();
    attributes.epsilon = epsilon;
    return std::make_shared<Linear>(inputs, attributes);
}

std::shared_ptr<ov::Model> model(const Attributes& attributes, const ov::PartialShape& x = {-1, 40},
                                 ov::element::Type element = ov::element::f32,
                                 ov::element::Type type = ov::element::u8) {
    const auto packed = panels();
    const auto constant =
        std::make_shared<Constant>(type, ov::Shape{2, packed.size() / 2}, packed.data());
    return model_of(
        std::make_shared<Linear>(ov::OutputVector{parameter(x, element), constant}, attributes));
}

std::vector<float> alone(const std::vector<float>& x, int rows) {
    const auto packed = panels();
    std::vector<float> y(size_t(rows) * 50);
    ltp::linear(x.data(), rows, {packed.data(), ltp::Weight::F32, 50, 40},
                ltp::select_kernel(ltp::Precision::F32).linear[0][0], ltp::Activation::Gelu,
                y.data(), 1, test::serial_for);
    return y;
}

void attributes_survive_a_file(ov::Core& core) {
    std::stringstream xml, bin;
    ov::pass::Serialize(xml, bin).run_on_model(
        model_of(int8_linear({"i8", 50, 40, "gelu_tanh", "portable", 0.5f, 7}, 64)));
    const std::string weights = bin.str();
    ov::Tensor data(ov::element::u8, {weights.size()});
    std::memcpy(data.data(), weights.data(), weights.size());
    std::stringstream again, unused;
    ov::pass::Serialize(again, unused).run_on_model(core.read_model(xml.str(), data));
    CHECK(xml.str().find("activation=\"gelu_tanh\"") != std::string::npos, xml.str());
    CHECK(xml.str().find("depth=\"40\"") != std::string::npos, xml.str());
    CHECK(xml.str().find("input_zero_point=\"7\"") != std::string::npos, xml.str());
    CHECK(again.str() == xml.str(), again.str());
}

void shapes_are_inferred() {
    CHECK(model(f32())->output().get_partial_shape() == ov::PartialShape({-1, 50}),
          "rows are free");
    const auto seven = model(f32(), {7, -1})->output().get_partial_shape();
    CHECK(seven == ov::PartialShape({7, 50}), seven);
    const auto rows = normalized({9, 50}, &ov::element::i32)->get_output_partial_shape(0);
    CHECK(rows == ov::PartialShape({-1, 50}), rows);
}

void bad_nodes_are_refused() {
    refused("activation is 'swish'", [] { model(f32("swish")); });
    refused("unknown instruction set 'mmx'", [] { model(f32("none", "mmx")); });
    refused("weights is 'i4'", [] { model({"i4", 50, 40}); });
    refused("x must be f32", [] { model(f32(), {-1, 40}, ov::element::f16); });
    refused("x must be f32", [] { model(f32(), {-1, 40}, ov::element::bf16); });
    refused("expected [?,40]", [] { model(f32(), {-1, 41}); });
    refused("expected [?,40]", [] { model(f32(), {-1, 3, 40}); });
    refused("W is 0 x 40", [] { model({"f32", 0, 40}); });
    refused("W is 50 x -1", [] { model({"f32", 50, -1}); });
    refused("input 1 must be u8", [] { model({"f32", 65, 40}); });
    refused("input 1 must be u8", [] { model({"f32", 50, 41}, {-1, 41}); });
    refused("input 1 must be u8", [] { model({"bf16", 50, 40}); });
    refused("input 1 must be u8",
            [] { model(f32(), {-1, 40}, ov::element::f32, ov::element::i8); });
    refused("input 1 must be a Constant", [] {
        const ov::OutputVector inputs{parameter({-1, 40}), parameter({2, 5248})};
        std::make_shared<Linear>(inputs, f32());
    });
}

void bad_int8_nodes_are_refused() {
    const auto calibrated = [](float scale, int64_t zero_point, size_t factors) {
        int8_linear({"i8", 50, 40, "none", "", scale, zero_point}, factors);
    };
    calibrated(1.f, 255, 64);
    calibrated(0.f, 0, 0);
    refused("input_scale is -1", [&] { calibrated(-1.f, 0, 64); });
    refused("x, panels, got 3 inputs", [&] { calibrated(0.f, 0, 64); });
    refused("x, panels, factor, got 2 inputs", [&] { calibrated(1.f, 0, 0); });
    refused("input_zero_point is 256", [&] { calibrated(1.f, 256, 64); });
    refused("input 2 must be f32 [64]", [&] { calibrated(1.f, 0, 40); });
    refused("too large for int8", [] { int8_linear({"i8", 50, 70000}); });
    refused("input_scale is for i8", [] { int8_linear({"f32", 50, 40, "none", "", 1.f}, 64); });
}

void bad_norms_are_refused() {
    const auto &i32 = ov::element::i32, &i64 = ov::element::i64;
    normalized({-1, 50});
    refused("expected inputs x, panels, got 4", [] { normalized({-1, 50}, nullptr, 0.f); });
    refused("epsilon is -1", [] { normalized({-1, 50}, nullptr, -1.f); });
    refused("residual is [?,49], expected [?,50]", [] { normalized({-1, 49}); });
    refused("residual must be f32", [] { normalized({-1, 50}, nullptr, 0.5f, ov::element::bf16); });
    refused("rows must be i32", [&] { normalized({-1, 50}, &i64); });
    refused("input 2 must be f32 [2,50]", [] {
        auto inputs = normalized({-1, 50})->input_values();
        inputs[2] = Constant::create(ov::element::f32, {2, 49}, std::vector<float>(98));
        auto attributes = f32();
        attributes.epsilon = 1.f;
        std::make_shared<Linear>(inputs, attributes);
    });
    normalized({-1, 50}, &i32);
}

void a_residuals_rows_are_checked(ov::Core& core) {
    test::Random random(5);
    auto compiled = core.compile_model(model_of(normalized({-1, 50}, &ov::element::i32)), "CPU",
                                       ov::hint::inference_precision(ov::element::f32));
    auto request = compiled.create_infer_request();
    const auto x = random_values(random, {2, 40}), residual = random_values(random, {3, 50});
    const auto run = [&](const std::vector<int32_t>& rows) {
        request.set_input_tensor(0, tensor(x, {2, 40}));
        request.set_input_tensor(1, tensor(residual, {3, 50}));
        request.set_input_tensor(2, tensor(rows, {rows.size()}));
        request.start_async();
        request.wait();
        return output<float>(request, 0);
    };
    refused("Linear: row 3 of a residual of 3", [&] { run({2, 3}); });
    refused("Linear: row -1 of a residual of 3", [&] { run({-1, 0}); });
    refused("rows is [3], expected [2]", [&] { run({0, 1, 2}); });
    const auto y = run({2, 0});
    for (int i = 0; i < 2; ++i) {
        double mean = 0;
        for (int c = 0; c < 50; ++c) mean += y[size_t(i) * 50 + c] / 50;
        CHECK(std::abs(mean - 3) < 1, "row", i, "has the mean", mean);
    }
}

void requests_run_in_parallel(ov::Core& core) {
    test::in_parallel(core, model(f32("gelu")), [](ov::InferRequest& request, int seed) {
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
    bad_norms_are_refused();
    a_residuals_rows_are_checked(core);
    requests_run_in_parallel(core);
    return test::report("linear_op");
}
