// The fields of a LtpPrunedAttention node: an ONNX node's attributes, and what an engine stores.
#pragma once

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>

#include "common/pruning_rule.h"

namespace ltp::tensorrt {

/// Stored by name, each as one int32 or float32, and all of them required.
struct Fields {
    std::int32_t heads = 1;
    std::int32_t mode = 0;          ///< an ltp::Mode
    std::int32_t score_length = 0;  ///< 0: the sequence's own original length
    std::int32_t keep_first = 0;    ///< 0 or 1
    std::int32_t carry = 0;         ///< an ltp::Carry
    float threshold = 0.f;          ///< finite; a keep rate from 0 to 1 where the mode is TopK
    /// Of 1000 rows that enter, those that a typical request hands on where the carry is Survivors;
    /// the engine is tuned for so many, and answers do not depend on it.
    std::int32_t expected_per_mille = 1000;

    PruningRule rule() const;
};

using FieldList = std::array<nvinfer1::PluginField, 7>;

/// Throws std::invalid_argument, which names the field, what was found and what is allowed.
Fields parse_fields(const nvinfer1::PluginFieldCollection& given);

/// Names, types and values; the values are `fields`' own, not copies.
FieldList field_list(const Fields& fields);

}  // namespace ltp::tensorrt
