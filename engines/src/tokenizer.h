#pragma once

#include <memory>

#include "bundle.h"

namespace ltp {

/// Texts to token ids, by the models that a bundle brings along for it. They run in OpenVINO,
/// whatever runs the bundle's engine, with the operators of the library openvino-tokenizers.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;
    /// Throws InputError for a text that cannot be read, and std::runtime_error. Its calls may come
    /// from several threads at once.
    virtual Tokenized tokenize(const std::vector<Text>& texts) = 0;
};

/// Throws Error where the bundle has no such models, or std::runtime_error where the library in
/// `options` cannot be loaded.
std::unique_ptr<Tokenizer> open_tokenizer(const Bundle& bundle, const Options& options);

}  // namespace ltp
