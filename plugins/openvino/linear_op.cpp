#include "linear_op.h"

#include <cmath>
#include <limits>
#include <openvino/op/constant.hpp>

#include "arena_parallel.h"
#include "attributes.h"

namespace ltp {
namespace {

constexpr size_t kMaxInt8Depth = 65536;  // sums of products of bytes stay below 2^31

}  // namespace

Linear::Linear(const ov::OutputVector& inputs, const Attributes& attributes)
    : Op(inputs), attributes_(attributes) {
    constructor_validate_and_infer_types();
}

std::shared_ptr<ov::Node> Linear::clone_with_new_inputs(const ov::OutputVector& inputs) const {
    check_new_args_count(this, inputs);
    return std::make_shared<Linear>(inputs, attributes_);
}

bool Linear::visit_attributes(ov::AttributeVisitor& visitor) {
    visitor.on_attribute("activation", attributes_.activation);
    visitor.on_attribute("isa", attributes_.isa);
    visitor.on_attribute("input_scale", attributes_.input_scale);
    visitor.on_attribute("input_zero_point", attributes_.input_zero_point);
    return true;
}

void Linear::validate_and_infer_types() {
    activation_ = parse<Activation>(this, "activation", attributes_.activation,
                                    {{"none", Activation::None},
                                     {"gelu", Activation::Gelu},
                                     {"gelu_tanh", Activation::GeluTanh},
                                     {"relu", Activation::Relu}});
    isa_cap_ = parse_isa_cap(this, attributes_.isa);

    NODE_VALIDATION_CHECK(this, get_input_size() >= 3 && get_input_size() <= 5,
                          "expected inputs x, weight, bias and perhaps scale and factor, got ",
                          get_input_size(), " inputs");
    NODE_VALIDATION_CHECK(
        this,
        std::isfinite(attributes_.input_scale) &&
            (is_calibrated() ? attributes_.input_scale > 0 : attributes_.input_scale == 0),
        "input_scale is ", attributes_.input_scale);
    NODE_VALIDATION_CHECK(
        this, attributes_.input_zero_point >= 0 && attributes_.input_zero_point <= 255,
        "input_zero_point is ", attributes_.input_zero_point, ", expected 0 to 255");
    const auto element = get_input_element_type(0);
    NODE_VALIDATION_CHECK(
        this, element.is_dynamic() || element == ov::element::f32 || element == ov::element::bf16,
        "x must be f32 or bf16, got ", element);
    for (size_t i = 1; i < get_input_size(); ++i) {
        NODE_VALIDATION_CHECK(this, ov::is_type<ov::op::v0::Constant>(get_input_node_ptr(i)),
                              "input ", i, " must be a Constant");
        const auto expected = i == 1 && is_int8() ? ov::element::i8 : ov::element::f32;
        NODE_VALIDATION_CHECK(this, get_input_element_type(i) == expected, "input ", i, " must be ",
                              expected, ", got ", get_input_element_type(i));
    }
    const auto weight = get_input_shape(1), bias = get_input_shape(2);
    NODE_VALIDATION_CHECK(
        this, weight.size() == 2 && weight[0] > 0 && weight[1] > 0 && bias == ov::Shape{weight[0]},
        "expected weight [columns, depth] and bias [columns], got ", weight, " and ", bias);
    NODE_VALIDATION_CHECK(
        this, std::max(weight[0], weight[1]) <= size_t(std::numeric_limits<int>::max()) / 64,
        "weight ", weight, " is too large");
    if (is_int8()) {
        const auto scale = get_input_shape(3);
        NODE_VALIDATION_CHECK(this, scale == bias, "expected scale [columns], got ", scale);
        NODE_VALIDATION_CHECK(this, weight[1] <= kMaxInt8Depth, "depth ", weight[1],
                              " is too large for int8, which ends at ", kMaxInt8Depth);
    }
    if (is_calibrated()) {
        const auto factor = get_input_shape(4);
        NODE_VALIDATION_CHECK(this, factor == ov::Shape{weight[1]}, "expected factor [depth], got ",
                              factor);
    }
    const ov::PartialShape expected{-1, static_cast<int64_t>(weight[1])};
    auto x = get_input_partial_shape(0);
    NODE_VALIDATION_CHECK(this, ov::PartialShape::merge_into(x, expected), "x is ",
                          get_input_partial_shape(0), ", expected ", expected);
    set_output_type(0, element, {x[0], static_cast<int64_t>(weight[0])});
}

const PackedWeights& Linear::packed(const ov::TensorVector& inputs, Element element) const {
    auto& packed = packed_[static_cast<int>(element)];
    {
        const std::lock_guard lock(mutex_);
        if (packed) return *packed;
    }
    // Not under the lock: until its parallel tasks are done, a thread may be given another
    // request's in the meantime.
    const auto float_precision = element == Element::F32 ? Precision::F32 : Precision::BF16;
    const Kernel& kernel = select_kernel(is_int8() ? Precision::INT8 : float_precision, isa_cap_);
    WeightRows rows{inputs[1].data()};
    if (is_int8()) {
        rows.scales = inputs[3].data<const float>();
        rows.input.scale = {attributes_.input_scale,
                            static_cast<int>(attributes_.input_zero_point)};
        if (is_calibrated()) rows.input.factors = inputs[4].data<const float>();
    }
    const auto shape = inputs[1].get_shape();
    const auto& linear = is_int8() ? kernel.linear_int8 : kernel.linear;
    auto made = std::make_unique<const PackedWeights>(
        rows, static_cast<int>(shape[0]), static_cast<int>(shape[1]),
        linear[static_cast<int>(element)], arena_parallel_for);
    const std::lock_guard lock(mutex_);
    if (!packed) packed = std::move(made);
    return *packed;
}

bool Linear::evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
    const ov::Tensor &x = inputs.at(0), &weight = inputs.at(1), &bias = inputs.at(2);
    const auto shape = x.get_shape(), expected = get_input_shape(1);
    OPENVINO_ASSERT(shape.size() == 2 && shape[1] == expected[1] && weight.get_shape() == expected,
                    "Linear expects x [T, ", expected[1], "] and weight ", expected, ", got ",
                    shape, " and ", weight.get_shape());
    OPENVINO_ASSERT(shape[0] <= size_t(std::numeric_limits<int>::max()) / 64,
                    "Linear: too many rows: ", shape);
    const Element element = x.get_element_type() == ov::element::f32 ? Element::F32 : Element::BF16;
    outputs[0].set_shape({shape[0], expected[0]});
    linear(x.data(), static_cast<int>(shape[0]), packed(inputs, element), bias.data<const float>(),
           activation_, outputs[0].data(), arena_threads(), arena_parallel_for);
    return true;
}

}  // namespace ltp
