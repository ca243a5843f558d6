// What the plugin tells TensorRT while an engine is built: shapes, types, formats, workspace,
// copies.
#include "../plugins/check.h"
#include "fake_expressions.h"
#include "node.h"

namespace {

using nvinfer1::DataType;
using nvinfer1::DimsExprs;
using test::Node;

constexpr std::int32_t no_answer = -7;

/// The outputs' shapes as text, one per word; "" if refused.
std::string shapes(const Node& node, std::int64_t width, std::int32_t inputs = 4) {
    test::Expressions expressions;
    const auto *rows = expressions.symbol("T"), *sequences = expressions.symbol("B");
    const nvinfer1::IExprBuilder& builder = expressions;
    const auto* columns = width ? const_cast<nvinfer1::IExprBuilder&>(builder).constant(width)
                                : expressions.symbol("unknown");
    const DimsExprs in[] = {
        {2, {rows, columns}}, {1, {expressions.symbol("B+1")}}, {1, {rows}}, {1, {sequences}}};
    const auto plugin = test::create(node);
    DimsExprs out[5];
    for (DimsExprs& shape : out) shape.nbDims = no_answer;
    auto& build = test::build(*plugin);
    if (build.getOutputShapes(in, inputs, nullptr, 0, out, build.getNbOutputs(), expressions) != 0)
        return "";
    std::string all;
    for (std::int32_t i = 0; i < 5 && out[i].nbDims != no_answer; ++i) {
        all += '[';
        for (std::int32_t d = 0; d < out[i].nbDims; ++d)
            all += (d ? ", " : "") + test::text(out[i].d[d]);
        all += ']';
    }
    return all;
}

void output_shapes() {
    Node node;
    const auto check = [&](ltp::Carry carry, std::int32_t outputs, const char* expected) {
        node.carry = static_cast<std::int32_t>(carry);
        const std::string found = shapes(node, 2304);
        CHECK(found == expected, found, "instead of", expected);
        const auto plugin = test::create(node);
        CHECK(test::build(*plugin).getNbOutputs() == outputs, "carry", node.carry);
    };
    check(ltp::Carry::All, 4, "[T, 768][T][B+1][T]");
    check(ltp::Carry::Bounded, 4, "[T, 768][T][B+1][T]");
    check(ltp::Carry::First, 4, "[B, 768][B][B+1][B]");
    check(ltp::Carry::Survivors, 5,
          "[size(4, T * 900 ceil/ 1000, T), 768][size(4, T * 900 ceil/ 1000, T)][B+1]"
          "[size(4, T * 900 ceil/ 1000, T)][]");
}

void head_sizes() {
    Node node;
    for (const int size : {8, 64, 128})
        CHECK(!shapes(node, 3 * 12 * size).empty(), "head size", size);
    for (const int width :
         {3 * 12 * 4, 3 * 12 * 60, 3 * 12 * 136, 3 * 12 * 64 + 1, 3 * 12 * 64 + 12, 12, 0})
        CHECK(shapes(node, width).empty(), "qkv with", width, "columns was not refused");
    CHECK(shapes(node, 2304, 3).empty(), "three inputs were not refused");
    node.heads = 5;
    CHECK(shapes(node, 2304).empty(), "2304 columns for 5 heads were not refused");

    nvinfer1::PluginTensorDesc in[4]{};
    const auto plugin = test::create(Node{});
    for (const std::int64_t width : {2304, 2300}) {
        in[0].dims = {2, {7, width}};
        CHECK((test::runtime(*plugin).onShapeChange(in, 4, nullptr, 4) == 0) == (width == 2304),
              "width", width);
    }
}

void types_and_formats() {
    Node node;
    node.carry = static_cast<std::int32_t>(ltp::Carry::Survivors);
    const auto plugin = test::create(node);
    auto& build = test::build(*plugin);
    DataType types[5];
    CHECK(build.getOutputDataTypes(types, 5, nullptr, 4) == 0, "types");
    for (int i = 0; i < 5; ++i)
        CHECK(types[i] == (i == 0 ? DataType::kHALF : DataType::kINT32), "type of output", i);

    nvinfer1::DynamicPluginTensorDesc tensors[9]{};
    const auto supports = [&](int position, DataType type, nvinfer1::TensorFormat format) {
        tensors[position].desc.type = type;
        tensors[position].desc.format = format;
        return build.supportsFormatCombination(position, tensors, 4, 5);
    };
    for (int i = 0; i < 9; ++i) {
        const bool half = i == 0 || i == 4;
        CHECK(supports(i, DataType::kHALF, nvinfer1::TensorFormat::kLINEAR) == half, "f16 at", i);
        CHECK(supports(i, DataType::kINT32, nvinfer1::TensorFormat::kLINEAR) == !half, "i32 at", i);
        CHECK(!supports(i, DataType::kFLOAT, nvinfer1::TensorFormat::kLINEAR), "f32 at", i);
        CHECK(
            !supports(i, half ? DataType::kHALF : DataType::kINT32, nvinfer1::TensorFormat::kCHW4),
            "packed at", i);
    }
    CHECK(build.getNbTactics() == 0, "tactics");
}

void workspace() {
    nvinfer1::DynamicPluginTensorDesc in[4]{};
    in[0].desc.dims = in[0].min = {2, {1, 2304}};
    in[0].max = {2, {500, 2304}};
    in[3].max = {1, {7}};
    const auto plugin = test::create(Node{});
    const std::size_t bytes = test::build(*plugin).getWorkspaceSize(in, 4, nullptr, 4);
    CHECK(bytes == 64 * 1000000 + 500 * 1000 + 7, "workspace", bytes);  // see fake_cuda.cpp
}

void copies() {
    Node node;
    node.carry = static_cast<std::int32_t>(ltp::Carry::Survivors);
    auto original = test::create(node);
    const test::PluginPointer clone(original->clone());
    const test::PluginPointer attached(test::runtime(*original).attachToContext(nullptr));
    original.reset();  // the copies stand on their own
    for (const test::PluginPointer* copy : {&clone, &attached}) {
        CHECK(test::build(**copy).getNbOutputs() == 5, "a copy has another carry");
        const auto* fields = test::runtime(**copy).getFieldsToSerialize();
        CHECK(*static_cast<const std::int32_t*>(fields->fields[0].data) == 12,
              "a copy has another number of heads");
    }
}

void names() {
    const auto plugin = test::create(Node{});
    auto& core = test::capability<nvinfer1::IPluginV3OneCore>(
        *plugin, nvinfer1::PluginCapabilityType::kCORE);
    ltp::tensorrt::PrunedAttentionCreator creator;
    CHECK(std::string(core.getPluginName()) == "LtpPrunedAttention", core.getPluginName());
    CHECK(std::string(core.getPluginVersion()) == "1" && *core.getPluginNamespace() == 0,
          "version or namespace");
    CHECK(std::string(creator.getPluginName()) == core.getPluginName(), creator.getPluginName());
    CHECK(std::string(creator.getPluginVersion()) == "1" && *creator.getPluginNamespace() == 0,
          "the creator's");
}

}  // namespace

int main() {
    output_shapes();
    head_sizes();
    types_and_formats();
    workspace();
    copies();
    names();
    return test::report("shapes");
}
