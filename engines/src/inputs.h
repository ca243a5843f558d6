#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bundle.h"

namespace ltp {

/// [T] position ids of a checked batch; they start again in every sequence.
std::vector<std::int32_t> position_ids(const Batch& batch, const Bundle& bundle);

/// What an engine takes of a checked batch, which it must not outlive: int32 vectors by name,
/// `input_ids`, `position_ids`, `token_type_ids` [T] and `offsets` [B + 1].
class EngineInputs {
public:
    EngineInputs(const Batch& batch, const Bundle& bundle);
    EngineInputs(const EngineInputs&) = delete;
    EngineInputs& operator=(const EngineInputs&) = delete;

    const std::vector<std::int32_t>& operator[](const std::string& name) const {
        return *values_.at(name);
    }

private:
    std::vector<std::int32_t> positions_, zeros_;
    std::map<std::string, const std::vector<std::int32_t>*> values_;
};

}  // namespace ltp
