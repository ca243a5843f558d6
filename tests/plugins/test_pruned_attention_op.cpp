// The operation as OpenVINO sees it: attributes, shapes, what it refuses, and infer requests in
// parallel. Usage: test_pruned_attention_op <path of the plugin>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>

#include "op_support.h"
#include "openvino/pruned_attention_op.h"
#include "run.h"

namespace {

using ltp::PrunedAttention;
using test::output;
using test::refused;
using test::tensor;
using Shapes = std::vector<ov::PartialShape>;

const Shapes kDynamic{{-1, -1}, {-1}, {-1}, {-1}};

std::shared_ptr<ov::Model> model(const PrunedAttention::Attributes& attributes,
                                 const Shapes& shapes = kDynamic,
                                 ov::element::Type element = ov::element::f32) {
    ov::ParameterVector parameters;
    for (size_t i = 0; i < shapes.size(); ++i)
        parameters.push_back(
            std::make_shared<ov::op::v0::Parameter>(i ? ov::element::i32 : element, shapes[i]));
    const auto op = std::make_shared<PrunedAttention>(
        ov::OutputVector(parameters.begin(), parameters.end()), attributes);
    ov::ResultVector results;
    for (const auto& output : op->outputs())
        results.push_back(std::make_shared<ov::op::v0::Result>(output));
    return std::make_shared<ov::Model>(results, parameters, "op");
}

void set_inputs(ov::InferRequest& request, const test::Problem& p) {
    const size_t rows = p.rows(), sequences = p.sequences();
    request.set_input_tensor(0, tensor(p.qkv, {rows, size_t(3) * p.hidden()}));
    request.set_input_tensor(1, tensor(p.offsets, {sequences + 1}));
    request.set_input_tensor(2, tensor(p.alive, {rows}));
    request.set_input_tensor(3, tensor(p.lengths, {sequences}));
}

bool matches(ov::InferRequest& request, const test::Result& expected) {
    return output<float>(request, 0) == expected.context &&
           output<int32_t>(request, 1) == expected.kept &&
           output<int32_t>(request, 2) == expected.offsets &&
           output<int32_t>(request, 3) == expected.alive;
}

void attributes_survive_a_file(ov::Core& core) {
    const PrunedAttention::Attributes written{12,    "relative", 0.012345679f, 384,
                                              false, "all",      "bf16",       "portable"};
    std::stringstream xml, bin;
    ov::pass::Serialize(xml, bin).run_on_model(model(written));
    ov::Tensor weights(ov::element::u8, {bin.str().size()});
    for (const auto& op : core.read_model(xml.str(), weights)->get_ops()) {
        if (std::string(op->get_type_name()) != "PrunedAttention") continue;
        struct Reader : ov::AttributeVisitor {
            std::ostringstream text;
            using ov::AttributeVisitor::on_adapter;
            void on_adapter(const std::string&, ov::ValueAccessor<void>&) override {}
            void on_adapter(const std::string& name, ov::ValueAccessor<std::string>& a) override {
                text << name << '=' << a.get() << ' ';
            }
            void on_adapter(const std::string& name, ov::ValueAccessor<bool>& a) override {
                text << name << '=' << a.get() << ' ';
            }
            void on_adapter(const std::string& name, ov::ValueAccessor<int64_t>& a) override {
                text << name << '=' << a.get() << ' ';
            }
            void on_adapter(const std::string& name, ov::ValueAccessor<double>& a) override {
                text << name << '=' << (static_cast<float>(a.get()) == 0.012345679f) << ' ';
            }
        } reader;
        op->visit_attributes(reader);
        const std::string expected =
            "heads=12 mode=relative threshold=1 score_length=384 keep_first=0 carry=all "
            "precision=bf16 isa=portable ";
        CHECK(reader.text.str() == expected, reader.text.str());
        return;
    }
    CHECK(false, "the model read back has no PrunedAttention");
}

void shapes_are_inferred() {
    const Shapes shapes{{7, 48}, {3}, {7}, {2}};
    const auto inferred = [&](const char* carry) {
        const auto m = model({2, "none", 0.f, 0, true, carry}, shapes);
        std::ostringstream text;
        for (const auto& result : m->outputs()) text << result.get_partial_shape() << ' ';
        return text.str();
    };
    CHECK(inferred("all") == "[7,16] [7] [3] [7] ", inferred("all"));
    CHECK(inferred("survivors") == "[..7,16] [..7] [3] [..7] ", inferred("survivors"));
    CHECK(inferred("first") == "[..2,16] [..2] [3] [..2] ", inferred("first"));
}

void bad_nodes_are_refused() {
    refused("mode is 'soft'", [] { model({2, "soft"}); });
    refused("carry is 'some'", [] { model({2, "none", 0.f, 0, true, "some"}); });
    refused("precision is 'f64'", [] { model({2, "none", 0.f, 0, true, "all", "f64"}); });
    refused("unknown instruction set 'mmx'",
            [] { model({2, "none", 0.f, 0, true, "all", "f32", "mmx"}); });
    refused("heads is 0", [] { model({0}); });
    refused("not divisible by 3 * 5 heads", [] { model({5}, {{-1, 48}, {-1}, {-1}, {-1}}); });
    refused("head size is 4", [] { model({4}, {{-1, 48}, {-1}, {-1}, {-1}}); });
    refused("head size is 264", [] { model({1}, {{-1, 792}, {-1}, {-1}, {-1}}); });
    refused("differ in rows", [] { model({2}, {{7, 48}, {-1}, {6}, {-1}}); });
    refused("one longer than", [] { model({2}, {{-1, 48}, {4}, {-1}, {4}}); });
    refused("must have rank 2", [] { model({2}, {{-1}, {-1}, {-1}, {-1}}); });
    refused("must be f32 or bf16", [] { model({2}, kDynamic, ov::element::f64); });
}

void bad_inputs_are_refused(ov::Core& core) {
    auto request =
        core.compile_model(model({2}), "CPU", ov::hint::inference_precision(ov::element::f32))
            .create_infer_request();
    test::Random random(3);
    const test::Problem good = test::random_problem(random, 2, 8, ltp::Element::F32, {3, 4}, 0.);
    const auto with = [&](auto change) {
        test::Problem bad = good;
        change(bad);
        set_inputs(request, bad);
        request.infer();
    };
    refused("offsets run from 1", [&] { with([](auto& p) { p.offsets[0] = 1; }); });
    refused("offsets decrease", [&] { with([](auto& p) { p.offsets[1] = 9; }); });
    refused("offsets decrease", [&] { with([](auto& p) { p.offsets[1] = -1; }); });
    refused("length 0", [&] { with([](auto& p) { p.lengths[1] = 0; }); });
    const auto shaped = [&](size_t input, const ov::Tensor& value) {
        set_inputs(request, good);
        request.set_input_tensor(input, value);
        request.infer();
    };
    refused("to 7", [&] { shaped(1, tensor<int32_t>({0, 3, 6}, {3})); });
    refused("", [&] { shaped(2, tensor<int32_t>({1, 1}, {2})); });
    refused("", [&] { shaped(3, tensor<int32_t>({3}, {1})); });
    refused("", [&] { shaped(0, tensor(std::vector<float>(7 * 40), {7, 40})); });
    with([](auto&) {});  // and the request still works
}

void requests_run_in_parallel(ov::Core& core) {
    const ltp::PruningRule rule{ltp::Mode::Absolute, 0.02f, 0, false};
    const auto m = model({3, "absolute", rule.threshold, 0, false, "survivors"});
    test::in_parallel(core, m, [&rule](ov::InferRequest& request, int seed) {
        test::Random random(seed);
        int different = 0;
        for (int i = 0; i < 20; ++i) {
            const std::vector<int> lengths{i * seed % 50, 30, 0, 1};
            const auto p = test::random_problem(random, 3, 32, ltp::Element::F32, lengths, 0.1);
            set_inputs(request, p);
            request.infer();
            const auto& kernel = ltp::select_kernel(ltp::Precision::F32);
            const auto alone = test::run(p, rule, ltp::Carry::Survivors, kernel, test::serial_for);
            different += !matches(request, alone);
        }
        return different;
    });
}

void every_carry_and_no_rows(ov::Core& core) {
    test::Random random(5);
    const std::pair<const char*, ltp::Carry> carries[] = {{"all", ltp::Carry::All},
                                                          {"survivors", ltp::Carry::Survivors},
                                                          {"first", ltp::Carry::First}};
    for (const auto& [name, carry] : carries) {
        const auto m = model({2, "topk", 0.4f, 0, true, name}, {{-1, 48}, {-1}, {-1}, {-1}});
        auto request = core.compile_model(m, "CPU", ov::hint::inference_precision(ov::element::f32))
                           .create_infer_request();
        for (const std::vector<int>& lengths : {std::vector<int>{4, 0, 9}, {}, {0}, {1}, {70, 3}}) {
            const auto p = test::random_problem(random, 2, 8, ltp::Element::F32, lengths, 0.2);
            set_inputs(request, p);
            request.infer();
            const auto& kernel = ltp::select_kernel(ltp::Precision::F32);
            const auto alone =
                test::run(p, {ltp::Mode::TopK, 0.4f, 0, true}, carry, kernel, test::serial_for);
            CHECK(matches(request, alone), name, p.describe());
        }
    }
}

}  // namespace

int main(int, char** argv) {
    ov::Core core;
    core.add_extension(argv[1]);
    attributes_survive_a_file(core);
    shapes_are_inferred();
    bad_nodes_are_refused();
    bad_inputs_are_refused(core);
    every_carry_and_no_rows(core);
    requests_run_in_parallel(core);
    return test::report("pruned_attention_op");
}
