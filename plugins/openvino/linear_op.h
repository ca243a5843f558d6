// The OpenVINO operation ltp::Linear.
#pragma once

#include <memory>
#include <mutex>
#include <openvino/op/op.hpp>
#include <string>

#include "isa.h"
#include "linear.h"

namespace ltp {

/// A linear layer and what follows it, for as few rows as pruning leaves: y = activation(x W^T +
/// bias). Inputs:
///   0 x       [T, depth]        f32 or bf16; bf16 rows are multiplied in bf16 and summed in f32
///   1 weight  [columns, depth]  f32, a Constant; or i8, and rows are multiplied in int8
///   2 bias    [columns]         f32, a Constant
///   3 scale   [columns]         f32, a Constant, of i8 weights
///   4 factor  [depth]           f32, a Constant: x becomes bytes by x * factor + input_zero_point,
///                               which mean x (times whatever the weights were divided by) in
///                               units of input_scale; without it each row of x gets its own scale
/// Outputs:
///   0 y       [T, columns]      as x
/// The weights are packed for this CPU when the node first runs.
class Linear : public ov::op::Op {
public:
    OPENVINO_OP("Linear", "ltp")

    struct Attributes {
        std::string activation = "none";  ///< none | gelu | gelu_tanh | relu
        std::string isa = "";             ///< highest instruction set to use; empty = no limit
        float input_scale = 0.f;          ///< of bytes made with the input `factor`
        int64_t input_zero_point = 0;     ///< likewise, 0 to 255
    };

    Linear() = default;
    Linear(const ov::OutputVector& inputs, const Attributes& attributes);

    void validate_and_infer_types() override;
    std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override;
    bool visit_attributes(ov::AttributeVisitor& visitor) override;
    bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override;
    bool has_evaluate() const override { return true; }

private:
    bool is_int8() const { return get_input_size() >= 4; }
    bool is_calibrated() const { return get_input_size() == 5; }
    const PackedWeights& packed(const ov::TensorVector& inputs, Element element) const;

    Attributes attributes_;
    Activation activation_ = Activation::None;
    Isa isa_cap_ = Isa::AmxBf16;
    mutable std::mutex mutex_;
    mutable std::unique_ptr<const PackedWeights> packed_[2];  // by Element
};

}  // namespace ltp
