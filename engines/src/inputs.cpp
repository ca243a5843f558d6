#include "inputs.h"

namespace ltp {

std::vector<std::int32_t> position_ids(const Batch& batch, const Bundle& bundle) {
    std::vector<std::int32_t> positions(batch.input_ids.size());
    for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
        std::int32_t next = bundle.position_start;
        for (std::int32_t t = batch.offsets[i]; t < batch.offsets[i + 1]; ++t) {
            const bool pad = bundle.padding_skips && batch.input_ids[t] == bundle.info.pad_token_id;
            positions[t] = pad ? bundle.position_start - 1 : next++;
        }
    }
    return positions;
}

EngineInputs::EngineInputs(const Batch& batch, const Bundle& bundle)
    : positions_(position_ids(batch, bundle)),
      zeros_(batch.token_type_ids.empty() ? batch.input_ids.size() : 0),
      values_{{"input_ids", &batch.input_ids},
              {"position_ids", &positions_},
              {"token_type_ids", batch.token_type_ids.empty() ? &zeros_ : &batch.token_type_ids},
              {"offsets", &batch.offsets}} {}

}  // namespace ltp
