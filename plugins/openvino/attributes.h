// Attributes of operations that are words in the model file and enumerations in the code.
#pragma once

#include <initializer_list>
#include <openvino/core/node.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "isa.h"

namespace ltp {

/// The value that `text` names; names and values are listed in pairs.
template <class T>
T parse(const ov::Node* node, const char* attribute, const std::string& text,
        std::initializer_list<std::pair<const char*, T>> choices) {
    std::string known;
    for (const auto& [name, value] : choices) {
        if (text == name) return value;
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    NODE_VALIDATION_CHECK(node, false, attribute, " is '", text, "', expected one of: ", known);
    return {};
}

/// The highest instruction set that a node may use; an empty name sets no limit.
inline Isa parse_isa_cap(const ov::Node* node, const std::string& name) {
    try {
        return name.empty() ? kNoLimit : parse_isa(name);
    } catch (const std::invalid_argument& error) {
        NODE_VALIDATION_CHECK(node, false, "isa: ", error.what());
    }
    return {};
}

}  // namespace ltp
