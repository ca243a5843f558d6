#include "fields.h"

#include <cstring>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace ltp::tensorrt {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

/// Calls visit(name, value, least allowed value, greatest allowed value) for every field; `mode`
/// before `threshold`, whose range depends on it.
template <class AnyFields, class Visit>
void each_field(AnyFields& fields, Visit visit) {
    constexpr std::int32_t any_integer = std::numeric_limits<std::int32_t>::max();
    constexpr float any_number = std::numeric_limits<float>::max();
    visit("heads", fields.heads, 1, any_integer);
    visit("mode", fields.mode, static_cast<int>(Mode::None), static_cast<int>(Mode::TopK));
    visit("score_length", fields.score_length, 0, any_integer);
    visit("keep_first", fields.keep_first, 0, 1);
    visit("carry", fields.carry, static_cast<int>(Carry::All), static_cast<int>(Carry::Bounded));
    const bool rate = fields.mode == static_cast<int>(Mode::TopK);
    visit("threshold", fields.threshold, rate ? 0.f : -any_number, rate ? 1.f : any_number);
    visit("expected_per_mille", fields.expected_per_mille, 1, 1000);
}

constexpr PluginFieldType type_of(std::int32_t) { return PluginFieldType::kINT32; }
constexpr PluginFieldType type_of(float) { return PluginFieldType::kFLOAT32; }

const char* name_of(PluginFieldType type) {
    switch (type) {
        case PluginFieldType::kFLOAT16: return "float16";
        case PluginFieldType::kFLOAT32: return "float32";
        case PluginFieldType::kFLOAT64: return "float64";
        case PluginFieldType::kINT8: return "int8";
        case PluginFieldType::kINT16: return "int16";
        case PluginFieldType::kINT32: return "int32";
        case PluginFieldType::kINT64: return "int64";
        case PluginFieldType::kCHAR: return "char";
        default: return "another type";
    }
}

const PluginField* find(const PluginFieldCollection& given, const char* name) {
    for (std::int32_t i = 0; i < given.nbFields; ++i)
        if (given.fields[i].name && std::strcmp(given.fields[i].name, name) == 0)
            return &given.fields[i];
    return nullptr;
}

template <class T>
T parse(const PluginFieldCollection& given, const char* name, T least, T greatest) {
    std::ostringstream found;
    const PluginField* field = find(given, name);
    if (!field) {
        found << "is missing";
    } else if (field->type != type_of(T{}) || field->length != 1 || !field->data) {
        found << "holds " << (field->data ? field->length : 0) << " of " << name_of(field->type);
    } else {
        T value;
        std::memcpy(&value, field->data, sizeof value);
        if (value >= least && value <= greatest) return value;  // false for a NaN
        found << "is " << value;
    }
    std::ostringstream message;
    message << "field `" << name << "` " << found.str() << "; it takes one "
            << name_of(type_of(T{})) << " from " << least << " to " << greatest;
    throw std::invalid_argument(message.str());
}

}  // namespace

PruningRule Fields::rule() const {
    return {static_cast<Mode>(mode), threshold, score_length, keep_first != 0};
}

Fields parse_fields(const PluginFieldCollection& given) {
    Fields fields;
    each_field(fields, [&](const char* name, auto& value, auto least, auto greatest) {
        value = parse(given, name, least, greatest);
    });
    return fields;
}

FieldList field_list(const Fields& fields) {
    FieldList list;
    std::size_t next = 0;
    each_field(fields, [&](const char* name, const auto& value, auto, auto) {
        list.at(next++) = {name, &value, type_of(value), 1};
    });
    return list;
}

}  // namespace ltp::tensorrt
