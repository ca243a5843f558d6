// A node's fields: through a plugin and back, and every reason to refuse one.
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "../plugins/check.h"
#include "node.h"

namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;
using test::Node;

void round_trip() {
    const Node node{/*heads=*/4,      /*mode=*/2,          /*score_length=*/77,
                    /*keep_first=*/0,
                    /*carry=*/3,      /*threshold=*/0.25f, /*expected_per_mille=*/123};
    const auto first = test::create(node);
    const auto* stored = test::runtime(*first).getFieldsToSerialize();
    const auto second = test::create({stored->fields, stored->fields + stored->nbFields});
    const auto* again = test::runtime(*second).getFieldsToSerialize();
    const auto wanted = node.fields();
    CHECK(again->nbFields == 7, again->nbFields);
    for (const PluginField& field : wanted) {
        int found = 0;
        for (std::int32_t i = 0; i < again->nbFields; ++i) {
            const PluginField& stored_field = again->fields[i];
            if (std::strcmp(stored_field.name, field.name) != 0) continue;
            ++found;
            CHECK(stored_field.type == field.type && stored_field.length == 1, field.name);
            CHECK(std::memcmp(stored_field.data, field.data, 4) == 0, field.name);
        }
        CHECK(found == 1, field.name, "is stored", found, "times");
    }
}

void announced() {
    ltp::tensorrt::PrunedAttentionCreator creator;
    const auto* names = creator.getFieldNames();
    const auto wanted = Node{}.fields();
    CHECK(names->nbFields == static_cast<std::int32_t>(wanted.size()), names->nbFields);
    for (std::int32_t i = 0; i < names->nbFields; ++i) {
        CHECK(std::string(names->fields[i].name) == wanted[i].name, names->fields[i].name);
        CHECK(names->fields[i].type == wanted[i].type && !names->fields[i].data,
              names->fields[i].name);
    }
}

/// Why the fields are refused; "" if they are not.
std::string refusal(const std::vector<PluginField>& fields) {
    try {
        ltp::tensorrt::parse_fields({static_cast<std::int32_t>(fields.size()), fields.data()});
    } catch (const std::invalid_argument& error) {
        CHECK(!test::create(fields), "a plugin was made all the same");
        return error.what();
    }
    CHECK(test::create(fields), "no plugin was made");
    return "";
}

void check_refused(const std::vector<PluginField>& fields, const std::string& words) {
    const std::string found = refusal(fields);
    CHECK(found.rfind(words, 0) == 0, "found '" + found + "' instead of '" + words + "'");
}

void ranges() {
    constexpr std::int32_t largest = std::numeric_limits<std::int32_t>::max();
    const auto integer = [](std::int32_t Node::* field, std::int32_t value, const char* words) {
        Node node;
        node.*field = value;
        check_refused(node.fields(), words);
    };
    integer(&Node::heads, 0, "field `heads` is 0; it takes one int32 from 1 to 2147483647");
    integer(&Node::mode, -1, "field `mode` is -1; it takes one int32 from 0 to 3");
    integer(&Node::mode, 4, "field `mode` is 4; it takes one int32 from 0 to 3");
    integer(&Node::score_length, -1,
            "field `score_length` is -1; it takes one int32 from 0 to 2147483647");
    integer(&Node::keep_first, 2, "field `keep_first` is 2; it takes one int32 from 0 to 1");
    integer(&Node::carry, 4, "field `carry` is 4; it takes one int32 from 0 to 3");
    integer(&Node::carry, -1, "field `carry` is -1");
    for (const std::int32_t allowed : {0, largest}) integer(&Node::score_length, allowed, "");
    for (const std::int32_t allowed : {0, 1, 2, 3}) integer(&Node::carry, allowed, "");

    const auto threshold = [](std::int32_t mode, float value, const char* words) {
        Node node;
        node.mode = mode;
        node.threshold = value;
        check_refused(node.fields(), words);
    };
    threshold(1, NAN, "field `threshold` is nan; it takes one float32");
    threshold(1, INFINITY, "field `threshold` is inf; it takes one float32");
    threshold(3, 1.5f, "field `threshold` is 1.5; it takes one float32 from 0 to 1");
    threshold(3, -0.5f, "field `threshold` is -0.5; it takes one float32 from 0 to 1");
    for (const float allowed : {0.f, 0.5f, 1.f}) threshold(3, allowed, "");
    for (const float allowed : {-0.5f, 2.f}) threshold(1, allowed, "");
}

void kinds() {
    const Node node;
    const auto with = [&](std::size_t index, const PluginField& field) {
        auto fields = node.fields();
        fields[index] = field;
        return fields;
    };
    const float number = 1.f;
    const std::int32_t integers[] = {1, 2};
    check_refused({}, "field `heads` is missing; it takes one int32 from 1");
    check_refused(with(5, {"other", &number, PluginFieldType::kFLOAT32, 1}),
                  "field `threshold` is missing");
    check_refused(with(5, {}), "field `threshold` is missing");
    check_refused(with(6, {}), "field `expected_per_mille` is missing");
    check_refused(with(0, {"heads", &number, PluginFieldType::kFLOAT32, 1}),
                  "field `heads` holds 1 of float32; it takes one int32");
    check_refused(with(5, {"threshold", integers, PluginFieldType::kINT32, 1}),
                  "field `threshold` holds 1 of int32; it takes one float32");
    check_refused(with(1, {"mode", integers, PluginFieldType::kINT32, 2}),
                  "field `mode` holds 2 of int32");
    check_refused(with(1, {"mode", nullptr, PluginFieldType::kINT32, 1}),
                  "field `mode` holds 0 of int32");
    check_refused(with(4, {"carry", integers, PluginFieldType::kINT64, 1}),
                  "field `carry` holds 1 of int64");
    ltp::tensorrt::PrunedAttentionCreator creator;
    CHECK(!creator.createPlugin(nullptr, nullptr, nvinfer1::TensorRTPhase::kRUNTIME),
          "no fields, no name");
}

}  // namespace

int main() {
    round_trip();
    announced();
    ranges();
    kinds();
    return test::report("fields");
}
