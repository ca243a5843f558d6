#include "linear_op.h"

#include <cmath>
#include <limits>
#include <openvino/op/constant.hpp>

#include "arena_parallel.h"
#include "attributes.h"
#include "panels.h"

namespace ltp {
namespace {

constexpr int64_t kMaxInt8Depth = 65536;  // sums of products of bytes stay below 2^31
constexpr int64_t kMaxSide = std::numeric_limits<int>::max() / 64;
constexpr Precision kPrecisions[][2] = {{Precision::F32, Precision::F32},
                                        {Precision::F32, Precision::BF16},
                                        {Precision::INT8, Precision::INT8}};  // by Weight, Element

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
    visitor.on_attribute("weights", attributes_.weights);
    visitor.on_attribute("columns", attributes_.columns);
    visitor.on_attribute("depth", attributes_.depth);
    visitor.on_attribute("activation", attributes_.activation);
    visitor.on_attribute("isa", attributes_.isa);
    visitor.on_attribute("input_scale", attributes_.input_scale);
    visitor.on_attribute("input_zero_point", attributes_.input_zero_point);
    visitor.on_attribute("epsilon", attributes_.epsilon);
    return true;
}

void Linear::validate_and_infer_types() {
    const auto& [weights, columns, depth, activation, isa, input_scale, zero_point, epsilon] =
        attributes_;
    weight_ = parse<Weight>(this, "weights", weights,
                            {{"f32", Weight::F32}, {"bf16", Weight::BF16}, {"i8", Weight::INT8}});
    activation_ = parse<Activation>(this, "activation", activation,
                                    {{"none", Activation::None},
                                     {"gelu", Activation::Gelu},
                                     {"gelu_tanh", Activation::GeluTanh},
                                     {"relu", Activation::Relu}});
    isa_cap_ = parse_isa_cap(this, isa);

    NODE_VALIDATION_CHECK(this, std::isfinite(input_scale) && input_scale >= 0, "input_scale is ",
                          input_scale);
    NODE_VALIDATION_CHECK(this, std::isfinite(epsilon) && epsilon >= 0, "epsilon is ", epsilon);
    const size_t inputs = norm_input() + (is_normalized() ? 2 : 0);
    NODE_VALIDATION_CHECK(
        this, get_input_size() == inputs || (is_normalized() && get_input_size() == inputs + 1),
        "expected inputs x, panels", is_calibrated() ? ", factor" : "",
        is_normalized() ? ", norm, residual and perhaps rows" : "", ", got ", get_input_size(),
        " inputs");
    NODE_VALIDATION_CHECK(this, weight_ == Weight::INT8 || !is_calibrated(), "weights are ",
                          weights, ", input_scale is for i8");
    NODE_VALIDATION_CHECK(this,
                          columns > 0 && columns <= kMaxSide && depth > 0 && depth <= kMaxSide,
                          "W is ", columns, " x ", depth);
    NODE_VALIDATION_CHECK(this, weight_ != Weight::INT8 || depth <= kMaxInt8Depth, "depth ", depth,
                          " is too large for int8, which ends at ", kMaxInt8Depth);
    NODE_VALIDATION_CHECK(this, zero_point >= 0 && zero_point <= 255, "input_zero_point is ",
                          zero_point, ", expected 0 to 255");

    const auto element = get_input_element_type(0);
    NODE_VALIDATION_CHECK(this,
                          element.is_dynamic() || element == ov::element::f32 ||
                              (element == ov::element::bf16 && weight_ != Weight::F32),
                          "x must be f32, or bf16 where the weights are bf16 or i8, got ", element);
    const PanelLayout& layout = layout_of(weight_);
    const auto constant = [this](size_t i, ov::element::Type type, const ov::Shape& shape) {
        NODE_VALIDATION_CHECK(this, ov::is_type<ov::op::v0::Constant>(get_input_node_ptr(i)),
                              "input ", i, " must be a Constant");
        NODE_VALIDATION_CHECK(this,
                              get_input_element_type(i) == type && get_input_shape(i) == shape,
                              "input ", i, " must be ", type, " ", shape, ", got ",
                              get_input_element_type(i), " ", get_input_shape(i));
    };
    constant(1, ov::element::u8, {size_t(panels_of(int(columns))), layout.bytes(int(depth))});
    if (is_calibrated()) constant(2, ov::element::f32, {size_t(layout.padded(int(depth)))});

    const auto shaped = [this](size_t i, const char* name, const ov::PartialShape& expected) {
        auto shape = get_input_partial_shape(i);
        NODE_VALIDATION_CHECK(this, ov::PartialShape::merge_into(shape, expected), name, " is ",
                              get_input_partial_shape(i), ", expected ", expected);
        return shape[0];
    };
    const ov::Dimension rows = shaped(0, "x", {-1, depth});
    if (is_normalized()) {
        const auto typed = [this](size_t i, const char* name, ov::element::Type expected) {
            NODE_VALIDATION_CHECK(this, get_input_element_type(i).compatible(expected), name,
                                  " must be ", expected, ", got ", get_input_element_type(i));
        };
        const size_t norm = norm_input(), residual = norm + 1, index = norm + 2;
        constant(norm, ov::element::f32, {2, size_t(columns)});
        typed(residual, "residual", element);
        shaped(residual, "residual", {has_rows() ? ov::Dimension{} : rows, columns});
        if (has_rows()) {
            typed(index, "rows", ov::element::i32);
            shaped(index, "rows", {rows});
        }
    }
    set_output_type(0, element, {rows, columns});
}

ResidualNorm Linear::residual_norm(const ov::TensorVector& inputs, size_t rows) const {
    const size_t columns = static_cast<size_t>(attributes_.columns);
    const ov::Tensor& residual = inputs.at(norm_input() + 1);
    const auto shape = residual.get_shape();
    OPENVINO_ASSERT(shape.size() == 2 && shape[1] == columns && (has_rows() || shape[0] == rows),
                    "Linear: residual is ", shape, ", and y is [", rows, ", ", columns, "]");
    const float* gamma = inputs[norm_input()].data<const float>();
    ResidualNorm norm{residual.data(), nullptr, gamma, gamma + columns, attributes_.epsilon};
    if (has_rows()) {
        const ov::Tensor& index = inputs.at(norm_input() + 2);
        OPENVINO_ASSERT(index.get_shape() == ov::Shape{rows}, "Linear: rows is ", index.get_shape(),
                        ", expected [", rows, "]");
        norm.rows = index.data<const int32_t>();
        for (size_t i = 0; i < rows; ++i)
            OPENVINO_ASSERT(norm.rows[i] >= 0 && size_t(norm.rows[i]) < shape[0], "Linear: row ",
                            norm.rows[i], " of a residual of ", shape[0]);
    }
    return norm;
}

bool Linear::evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
    const ov::Tensor& x = inputs.at(0);
    const auto shape = x.get_shape(), panels = inputs.at(1).get_shape();
    const int columns = static_cast<int>(attributes_.columns),
              depth = static_cast<int>(attributes_.depth);
    OPENVINO_ASSERT(shape.size() == 2 && shape[1] == size_t(depth) && panels == get_input_shape(1),
                    "Linear expects x [T, ", depth, "] and panels ", get_input_shape(1), ", got ",
                    shape, " and ", panels);
    OPENVINO_ASSERT(shape[0] <= size_t{kMaxSide}, "Linear: too many rows: ", shape);
    const int w = static_cast<int>(weight_), e = x.get_element_type() == ov::element::bf16;
    const Kernel& kernel = select_kernel(kPrecisions[w][e], isa_cap_);
    PackedWeights weights{inputs[1].data(), weight_, columns, depth};
    if (is_calibrated())
        weights.input = {inputs[2].data<const float>(),
                         {attributes_.input_scale, static_cast<int>(attributes_.input_zero_point)}};
    ResidualNorm norm;
    if (is_normalized()) norm = residual_norm(inputs, shape[0]);
    outputs[0].set_shape({shape[0], size_t(columns)});
    linear(x.data(), static_cast<int>(shape[0]), weights, kernel.linear[w][e], activation_,
           outputs[0].data(), arena_threads(), arena_parallel_for,
           is_normalized() ? &norm : nullptr);
    return true;
}

}  // namespace ltp
