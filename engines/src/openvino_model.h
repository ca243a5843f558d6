#pragma once

#include <openvino/openvino.hpp>

#include "ltp/engine.h"
#include "mapped_file.h"

namespace ltp {

/// Reads OpenVINO IR. Constants are read where the weights lie in memory, which must therefore
/// outlive the model and what is compiled from it.
std::shared_ptr<ov::Model> read_model(ov::Core& core, const MappedFile& graph,
                                      const MappedFile& weights);

/// How models are compiled for these options. Throws Error.
ov::AnyMap performance_settings(const Options& options);

}  // namespace ltp
