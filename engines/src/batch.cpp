#include "batch.h"

#include <algorithm>
#include <limits>

#include "text.h"

namespace ltp {
namespace {

constexpr std::size_t max_tokens = std::numeric_limits<std::int32_t>::max();

void check_offsets(const Batch& batch) {
    const auto& offsets = batch.offsets;
    const std::size_t tokens = batch.input_ids.size();
    if (offsets.size() < 2)
        throw InputError(text("the batch is empty: ", offsets.size(),
                              " offsets; B sequences need B + 1, at least 2"));
    if (tokens > max_tokens)
        throw InputError(text(tokens, " tokens are more than one batch can hold; split it"));
    if (offsets.front() != 0)
        throw InputError(text("offsets start at ", offsets.front(), "; the first must be 0"));
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i)
        if (offsets[i + 1] < offsets[i])
            throw InputError(text("offsets fall from ", offsets[i], " to ", offsets[i + 1],
                                  "; each is the end of its sequence, in order"),
                             i);
    if (static_cast<std::size_t>(offsets.back()) != tokens)
        throw InputError(text("offsets end at ", offsets.back(), " but there are ", tokens,
                              " token ids; the last offset must be their number"));
}

void check_limits(const Batch& batch, const Info& info) {
    const std::size_t tokens = batch.input_ids.size(), sequences = batch.offsets.size() - 1;
    if (info.max_batch > 0 && sequences > static_cast<std::size_t>(info.max_batch))
        throw InputError(text("the batch has ", sequences, " sequences, the engine takes at most ",
                              info.max_batch, "; split it"));
    if (info.max_tokens > 0 && tokens > static_cast<std::size_t>(info.max_tokens))
        throw InputError(text("the batch has ", tokens, " tokens, the engine takes at most ",
                              info.max_tokens, "; split it"));
}

void check_sequence(const Batch& batch, const Info& info, std::size_t i) {
    const std::int32_t first = batch.offsets[i], end = batch.offsets[i + 1];
    if (end == first) throw InputError("it has no tokens; leave it out", i);
    if (end - first > info.max_length)
        throw InputError(text("it has ", end - first, " tokens, the engine takes at most ",
                              info.max_length, "; truncate it"),
                         i);
    const std::int32_t last_type = std::max(info.type_vocab_size, 1) - 1;
    for (std::int32_t t = first; t < end; ++t) {
        const std::int32_t id = batch.input_ids[t];
        if (id < 0 || id >= info.vocab_size)
            throw InputError(text("token ", t - first, " has id ", id, ", ids are 0 to ",
                                  info.vocab_size - 1, "; use this model's tokenizer"),
                             i);
        if (batch.token_type_ids.empty()) continue;
        const std::int32_t type = batch.token_type_ids[t];
        if (type < 0 || type > last_type)
            throw InputError(text("token ", t - first, " has type ", type, ", types are 0 to ",
                                  last_type, "; use this model's tokenizer"),
                             i);
    }
}

}  // namespace

InputError::InputError(const std::string& why, std::size_t index)
    : Error(index == whole_batch ? why : text("sequence ", index, ": ", why)),
      reason(why),
      sequence(index) {}

Batch pack(const std::vector<std::vector<std::int32_t>>& sequences,
           const std::vector<std::vector<std::int32_t>>& token_types) {
    if (!token_types.empty() && token_types.size() != sequences.size())
        throw InputError(text(sequences.size(), " sequences but ", token_types.size(),
                              " vectors of token types; give one for each, or none at all"));
    Batch batch;
    batch.offsets.push_back(0);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        const auto& ids = sequences[i];
        batch.input_ids.insert(batch.input_ids.end(), ids.begin(), ids.end());
        if (batch.input_ids.size() > max_tokens)
            throw InputError("the batch has more tokens than 32 bits can count; split it", i);
        batch.offsets.push_back(static_cast<std::int32_t>(batch.input_ids.size()));
        if (token_types.empty()) continue;
        const auto& types = token_types[i];
        if (types.size() != ids.size())
            throw InputError(text("it has ", ids.size(), " token ids but ", types.size(),
                                  " token types; give as many"),
                             i);
        batch.token_type_ids.insert(batch.token_type_ids.end(), types.begin(), types.end());
    }
    return batch;
}

void check_batch(const Batch& batch, const Info& info) {
    check_offsets(batch);
    check_limits(batch, info);
    const std::size_t tokens = batch.input_ids.size(), types = batch.token_type_ids.size();
    if (types != 0 && types != tokens)
        throw InputError(
            text(tokens, " token ids but ", types, " token types; give as many, or none"));
    for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) check_sequence(batch, info, i);
}

}  // namespace ltp
