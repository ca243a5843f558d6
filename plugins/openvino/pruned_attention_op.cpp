#include "pruned_attention_op.h"

#include <algorithm>
#include <limits>

#include "arena_parallel.h"
#include "attributes.h"

namespace ltp {

PrunedAttention::PrunedAttention(const ov::OutputVector& inputs, const Attributes& attributes)
    : Op(inputs), attributes_(attributes) {
    constructor_validate_and_infer_types();
}

std::shared_ptr<ov::Node> PrunedAttention::clone_with_new_inputs(
    const ov::OutputVector& inputs) const {
    check_new_args_count(this, inputs);
    return std::make_shared<PrunedAttention>(inputs, attributes_);
}

bool PrunedAttention::visit_attributes(ov::AttributeVisitor& visitor) {
    visitor.on_attribute("heads", attributes_.heads);
    visitor.on_attribute("mode", attributes_.mode);
    visitor.on_attribute("threshold", attributes_.threshold);
    visitor.on_attribute("score_length", attributes_.score_length);
    visitor.on_attribute("keep_first", attributes_.keep_first);
    visitor.on_attribute("carry", attributes_.carry);
    visitor.on_attribute("precision", attributes_.precision);
    visitor.on_attribute("isa", attributes_.isa);
    return true;
}

void PrunedAttention::validate_and_infer_types() {
    parse_attributes();
    infer_shapes();
}

void PrunedAttention::parse_attributes() {
    constexpr int64_t int_max = std::numeric_limits<int>::max();
    const auto& a = attributes_;
    NODE_VALIDATION_CHECK(this, a.heads > 0 && a.heads <= int_max, "heads is ", a.heads,
                          ", expected a positive number");
    NODE_VALIDATION_CHECK(this, a.score_length >= 0 && a.score_length <= int_max,
                          "score_length is ", a.score_length, ", expected 0 or a positive number");
    NODE_VALIDATION_CHECK(this, a.threshold == a.threshold, "threshold is not a number");
    rule_.mode = parse<Mode>(this, "mode", a.mode,
                             {{"none", Mode::None},
                              {"absolute", Mode::Absolute},
                              {"relative", Mode::Relative},
                              {"topk", Mode::TopK}});
    rule_.threshold = a.threshold;
    rule_.score_length = static_cast<int>(a.score_length);
    rule_.keep_first = a.keep_first;
    carry_ = parse<Carry>(
        this, "carry", a.carry,
        {{"all", Carry::All}, {"survivors", Carry::Survivors}, {"first", Carry::First}});
    precision_ = parse<Precision>(this, "precision", a.precision,
                                  {{"f32", Precision::F32}, {"bf16", Precision::BF16}});
    isa_cap_ = parse_isa_cap(this, a.isa);
}

void PrunedAttention::infer_shapes() {
    NODE_VALIDATION_CHECK(this, get_input_size() == 4,
                          "expected inputs qkv, offsets, alive, lengths, got ", get_input_size(),
                          " inputs");
    const auto element = get_input_element_type(0);
    NODE_VALIDATION_CHECK(
        this, element.is_dynamic() || element == ov::element::f32 || element == ov::element::bf16,
        "qkv must be f32 or bf16, got ", element);
    for (size_t i = 1; i < 4; ++i)
        NODE_VALIDATION_CHECK(this, get_input_element_type(i).compatible(ov::element::i32),
                              "input ", i, " must be i32, got ", get_input_element_type(i));

    const size_t ranks[] = {2, 1, 1, 1};
    ov::PartialShape shapes[4];
    for (size_t i = 0; i < 4; ++i) {
        shapes[i] = get_input_partial_shape(i);
        NODE_VALIDATION_CHECK(this, shapes[i].rank().compatible(ranks[i]), "input ", i,
                              " must have rank ", ranks[i], ", got ", shapes[i]);
        if (shapes[i].rank().is_dynamic()) shapes[i] = ov::PartialShape::dynamic(ranks[i]);
    }
    ov::Dimension rows, offsets;
    NODE_VALIDATION_CHECK(this, ov::Dimension::merge(rows, shapes[0][0], shapes[2][0]), "qkv ",
                          shapes[0], " and alive ", shapes[2], " differ in rows");
    NODE_VALIDATION_CHECK(this, ov::Dimension::merge(offsets, shapes[1][0], shapes[3][0] + 1),
                          "offsets ", shapes[1], " must be one longer than lengths ", shapes[3]);

    ov::Dimension hidden;
    if (const auto width = shapes[0][1]; width.is_static()) {
        const int64_t heads = attributes_.heads, head_size = width.get_length() / (3 * heads);
        NODE_VALIDATION_CHECK(this, width.get_length() % (3 * heads) == 0, "qkv has ",
                              width.get_length(), " columns, not divisible by 3 * ", heads,
                              " heads");
        NODE_VALIDATION_CHECK(this, head_size % 8 == 0 && head_size >= 8 && head_size <= 256,
                              "the head size is ", head_size,
                              ", expected a multiple of 8 up to 256");
        hidden = width.get_length() / 3;
    }
    ov::Dimension carried = rows;
    if (carry_ == Carry::Survivors) carried = {0, rows.get_max_length()};
    if (carry_ == Carry::First) carried = {0, shapes[3][0].get_max_length()};
    set_output_type(0, element, {carried, hidden});
    set_output_type(1, ov::element::i32, {carried});
    set_output_type(2, ov::element::i32, {offsets});
    set_output_type(3, ov::element::i32, {carried});
}

/// The inputs as plain pointers, once nothing in them can lead out of bounds.
PackedInput PrunedAttention::checked_input(const ov::TensorVector& inputs) const {
    OPENVINO_ASSERT(inputs.size() == 4, "PrunedAttention has 4 inputs, got ", inputs.size());
    const auto qkv = inputs[0].get_shape(), offsets = inputs[1].get_shape(),
               alive = inputs[2].get_shape(), lengths = inputs[3].get_shape();
    const size_t heads = attributes_.heads;
    OPENVINO_ASSERT(
        qkv.size() == 2 && offsets.size() == 1 && alive == ov::Shape{qkv[0]} &&
            lengths == ov::Shape{offsets[0] - 1} && offsets[0] > 0,
        "PrunedAttention expects qkv [T, 3d], offsets [B + 1], alive [T], lengths [B], got ", qkv,
        ", ", offsets, ", ", alive, ", ", lengths);
    OPENVINO_ASSERT(qkv[1] > 0 && qkv[1] % (24 * heads) == 0 && qkv[1] / (3 * heads) <= 256,
                    "PrunedAttention: qkv has ", qkv[1], " columns; expected 3 * ", heads,
                    " heads of a multiple of 8 up to 256");
    OPENVINO_ASSERT(std::max(qkv[0], offsets[0]) * heads <= size_t(std::numeric_limits<int>::max()),
                    "PrunedAttention: too many rows or sequences: ", qkv, ", ", offsets);

    const PackedInput input{
        inputs[0].data(),
        inputs[0].get_element_type() == ov::element::f32 ? Element::F32 : Element::BF16,
        static_cast<int>(qkv[0]),
        static_cast<int>(lengths[0]),
        static_cast<int>(qkv[1] / 3),
        static_cast<int>(heads),
        inputs[1].data<const int32_t>(),
        inputs[2].data<const int32_t>(),
        inputs[3].data<const int32_t>()};
    const int32_t *from = input.offsets, *to = from + input.sequences;
    OPENVINO_ASSERT(*from == 0 && *to == input.rows, "PrunedAttention: offsets run from ", *from,
                    " to ", *to, ", expected 0 to ", input.rows);
    for (int b = 0; b < input.sequences; ++b) {
        OPENVINO_ASSERT(from[b] <= from[b + 1], "PrunedAttention: offsets decrease from ", from[b],
                        " to ", from[b + 1], " at sequence ", b);
        OPENVINO_ASSERT(from[b] == from[b + 1] || input.lengths[b] > 0,
                        "PrunedAttention: sequence ", b, " has ", from[b + 1] - from[b],
                        " rows but length ", input.lengths[b]);
    }
    return input;
}

bool PrunedAttention::evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
    const PackedInput input = checked_input(inputs);
    const Kernel& kernel = select_kernel(precision_, isa_cap_);
    const auto set_rows = [&](size_t rows) {
        outputs[0].set_shape({rows, static_cast<size_t>(input.hidden)});
        outputs[1].set_shape({rows});
        outputs[3].set_shape({rows});
    };
    // Contexts are computed in the output itself, which then shrinks to the rows carried on.
    set_rows(row_capacity(input, carry_));
    outputs[2].set_shape({static_cast<size_t>(input.sequences) + 1});
    const PackedOutput output{outputs[0].data(), outputs[1].data<int32_t>(),
                              outputs[2].data<int32_t>(), outputs[3].data<int32_t>()};
    set_rows(packed_attention(input, rule_, carry_, kernel, arena_parallel_for, output));
    return true;
}

}  // namespace ltp
