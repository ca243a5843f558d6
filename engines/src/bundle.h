#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ltp/engine.h"
#include "mapped_file.h"

namespace ltp {

/// A file of a bundle, as it was checked.
using BundleFile = std::shared_ptr<const MappedFile>;

/// What only the bundles of the backend "openvino" have.
struct OpenVinoParts {
    BundleFile weights;
    std::string activations;         ///< "f32" or "bf16": what flows between operators
    std::vector<double> thresholds;  ///< of each layer, by its mode: threshold, ratio or keep rate
};

/// What only the bundles of the backend "tensorrt" have.
struct TensorRtParts {
    std::string library;             ///< "tensorrt" or "tensorrt_rtx"
    std::string compute_capability;  ///< of the GPU, such as "7.5"
    bool fixed_sizes = false;        ///< no size depends on the data: no layer compacts
};

/// A model as OpenVINO reads it.
struct Ir {
    BundleFile model, weights;
};

/// What reads texts, where the build was asked for it; else all files are null.
struct TextParts {
    Ir texts, pairs;           ///< `pairs` is null where only single texts are read
    BundleFile refused;        ///< see RefusedCharacters
    bool token_types = false;  ///< whether the model is told the texts of a pair apart
};

/// A bundle whose files were all checked. `plugin` is null if it has none.
struct Bundle {
    std::filesystem::path directory;
    BundleFile engine, plugin;
    std::string backend;  ///< "openvino" or "tensorrt"; the parts of the other are empty
    std::map<std::string, std::string> versions;  ///< of the packages that took part
    OpenVinoParts openvino;
    TensorRtParts tensorrt;
    TextParts texts;
    std::vector<std::string> inputs;  ///< what the engine takes, a subset of the names in inputs.h
    std::vector<std::string> outputs;
    int position_start;  ///< position id of the first token of a sequence
    bool padding_skips;  ///< pad tokens have no position of their own (RoBERTa)
    Info info;

    /// The release of a package that took part, such as "10.9.0.34". Throws Error where the
    /// manifest names none.
    const std::string& version(const std::string& package) const;
};

/// Reads a bundle and checks format, backend, every entry, platform and the digest of every file.
/// Throws Error with the reason and what to do.
Bundle read_bundle(const std::filesystem::path& directory);

/// Refuses any other OpenVINO release than the one that the bundle was built with: the engine's
/// plugin is tied to its binary interface. `running` is what ov::get_openvino_version() returns.
void check_openvino(const Bundle& bundle, const std::string& running);

}  // namespace ltp
