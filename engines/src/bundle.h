#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ltp/engine.h"

namespace ltp {

/// A bundle whose files were all checked. `plugin` is empty if the engine uses stock operators.
struct Bundle {
    std::filesystem::path directory, engine, weights, plugin;
    std::vector<std::string> inputs;  ///< what the engine takes, a subset of the names in batch.h
    std::string isa;                  ///< "avx2": no newer instructions; "": all that the CPU has
    std::string openvino;             ///< the version that the plugin was built against
    int position_start;               ///< position id of the first token of a sequence
    bool padding_skips;               ///< pad tokens have no position of their own (RoBERTa)
    Info info;
};

/// Reads a bundle and checks format, platform, backend and the hash of every file.
/// Throws Error with the reason and what to do.
Bundle read_bundle(const std::filesystem::path& directory);

/// Refuses any other OpenVINO release than the one that the bundle was built with: the engine's
/// plugin is tied to its binary interface. `running` is what ov::get_openvino_version() returns.
void check_openvino(const Bundle& bundle, const std::string& running);

}  // namespace ltp
