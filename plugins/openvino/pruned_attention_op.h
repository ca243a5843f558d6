// The OpenVINO operation ltp::PrunedAttention.
#pragma once

#include <openvino/op/op.hpp>
#include <string>

#include "isa.h"
#include "packed_attention.h"

namespace ltp {

/// Inputs (T rows of B packed sequences, hidden size d):
///   0 qkv      [T, 3d]  f32 or bf16, columns Q heads | K heads | V heads
///   1 offsets  [B + 1]  i32, sequence b is rows offsets[b] .. offsets[b + 1]
///   2 alive    [T]      i32, 0 = pruned by an earlier layer
///   3 lengths  [B]      i32, original token counts
/// Outputs:
///   0 context  [T', d]  as qkv
///   1 kept     [T']     i32, ascending indices into T
///   2 offsets  [B + 1]  i32
///   3 alive    [T']     i32
/// carry="all" has T' = T, known before execution; otherwise T' depends on the data.
class PrunedAttention : public ov::op::Op {
public:
    OPENVINO_OP("PrunedAttention", "ltp")

    struct Attributes {
        int64_t heads = 1;
        std::string mode = "none";  ///< none | absolute | relative | topk
        float threshold =
            0.f;  ///< absolute: least score; relative: least share of the best; topk: keep rate
        int64_t score_length =
            0;  ///< absolute: score denominator; 0 = the sequence's own original length
        bool keep_first = true;           ///< the first token of a sequence is never pruned
        std::string carry = "survivors";  ///< all | survivors | first
        std::string precision = "f32";    ///< f32 | bf16, of the matrix products
        std::string isa = "";             ///< highest instruction set to use; empty = no limit
    };

    PrunedAttention() = default;
    PrunedAttention(const ov::OutputVector& inputs, const Attributes& attributes);

    void validate_and_infer_types() override;
    std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override;
    bool visit_attributes(ov::AttributeVisitor& visitor) override;
    bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override;
    bool has_evaluate() const override { return true; }

private:
    void parse_attributes();
    void infer_shapes();
    PackedInput checked_input(const ov::TensorVector& inputs) const;

    Attributes attributes_;
    PruningRule rule_;
    Carry carry_ = Carry::Survivors;
    Precision precision_ = Precision::F32;
    Isa isa_cap_ = kNoLimit;
};

}  // namespace ltp
