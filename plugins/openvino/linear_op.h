// The OpenVINO operation ltp::Linear.
#pragma once

#include <openvino/op/op.hpp>
#include <string>

#include "isa.h"
#include "linear.h"

namespace ltp {

/// A linear layer and what follows it, for as few rows as pruning leaves: y = activation(x W^T +
/// bias), or LayerNorm(residual[rows] + that). Inputs:
///   0 x       [T, depth]        f32 or bf16
///   1 panels  [panels, bytes]   u8, a Constant: W and bias as panels.h says. It is read where it
///                               lies, at best 64-byte aligned
///   2 factor  [padded depth]    f32, a Constant, for int8 weights: x becomes bytes by x * factor +
///                               input_zero_point, which mean x (times whatever the weights were
///                               divided by) in units of input_scale; it is there if input_scale is
///                               above 0, and otherwise each row of x gets its own scale
/// And, if epsilon is above 0:
///   . norm    [2, columns]      f32, a Constant: gamma and beta
///   . residual [R, columns]     as x
///   . rows    [T]               i32, of the residual; it may be left out, and then R is T
/// Outputs:
///   0 y       [T, columns]      as x
class Linear : public ov::op::Op {
public:
    OPENVINO_OP("Linear", "ltp")

    struct Attributes {
        std::string weights = "f32";      ///< f32 | bf16 | i8
        int64_t columns = 0, depth = 0;   ///< of W
        std::string activation = "none";  ///< none | gelu | gelu_tanh | relu
        std::string isa = "";             ///< highest instruction set to use; empty = no limit
        float input_scale = 0.f;          ///< of bytes made with the input `factor`
        int64_t input_zero_point = 0;     ///< likewise, 0 to 255
        float epsilon = 0.f;              ///< what the layer normalization adds to the variance
    };

    Linear() = default;
    Linear(const ov::OutputVector& inputs, const Attributes& attributes);

    void validate_and_infer_types() override;
    std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override;
    bool visit_attributes(ov::AttributeVisitor& visitor) override;
    bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override;
    bool has_evaluate() const override { return true; }

private:
    bool is_calibrated() const { return attributes_.input_scale > 0; }
    bool is_normalized() const { return attributes_.epsilon > 0; }
    size_t norm_input() const { return is_calibrated() ? 3 : 2; }
    ResidualNorm residual_norm(const ov::TensorVector& inputs, size_t rows) const;
    bool has_rows() const { return get_input_size() == norm_input() + 3; }

    Attributes attributes_;
    Weight weight_ = Weight::F32;
    Activation activation_ = Activation::None;
    Isa isa_cap_ = kNoLimit;
};

}  // namespace ltp
