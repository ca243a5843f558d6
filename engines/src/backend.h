#pragma once

#include <memory>

#include "bundle.h"

namespace ltp {

/// What runs a bundle's engine. Its calls may come from several threads at once.
class Backend {
public:
    virtual ~Backend() = default;
    /// The logits of a checked batch. Throws std::runtime_error.
    virtual Result infer(const Batch& batch) = 0;
};

/// These throw std::runtime_error.
std::unique_ptr<Backend> open_openvino(const Bundle& bundle, const Options& options);
std::unique_ptr<Backend> open_tensorrt(const Bundle& bundle, const Options& options);

}  // namespace ltp
