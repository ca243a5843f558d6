#include "bundle.h"

#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "json.h"
#include "sha256.h"
#include "text.h"

namespace ltp {
namespace {

namespace fs = std::filesystem;
using json::Value;

constexpr int format_version = 2;

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string first_word(const std::string& line) {
    return line.substr(0, line.find_first_of(" \r\n"));
}

Value read_manifest(const fs::path& directory) {
    const fs::path file = directory / "manifest.json";
    if (!fs::is_regular_file(file))
        throw Error(text(directory, " is not a bundle: it has no manifest.json"));
    const std::string manifest = read_file(file);
    if (first_word(read_file(directory / "manifest.sha256")) != sha256(manifest))
        throw Error(text(file, " was edited or damaged: its hash is not the recorded one"));
    try {
        return json::parse(manifest);
    } catch (const json::Error& error) {
        throw Error(text(file, " is not valid JSON: ", error.what()));
    }
}

void check_format(const fs::path& directory, const Value& manifest) {
    if (!manifest.has("format") || manifest["format"].string() != "ltp-deploy bundle")
        throw Error(text(directory, " is not a bundle of ltp-deploy"));
    if (const int found = manifest["format_version"].integer(); found != format_version)
        throw Error(text(directory, " has bundle format ", found, ", this version reads ",
                         format_version, "; rebuild it, or use a matching version of ltp-deploy"));
    if (const std::string& backend = manifest["backend"].string();
        backend != "openvino" && backend != "tensorrt")
        throw Error(text(directory, " was built for ", backend, ", the C++ runtime runs OpenVINO ",
                         "and TensorRT bundles only; use the Python runtime, or build for another ",
                         "target"));
}

void check_platform(const fs::path& directory, const Value& manifest) {
    utsname here{};
    uname(&here);
    const Value& made_for = manifest["platform"];
    const std::string &system = made_for["system"].string(),
                      &machine = made_for["machine"].string();
    if (manifest.has("plugin") && (system != here.sysname || machine != here.machine))
        throw Error(text(directory, " was built for ", system, " ", machine, ", this is ",
                         here.sysname, " ", here.machine, "; rebuild it here"));
}

/// The path of a bundle's file, which may not lie outside, not even through a symbolic link.
fs::path inside(const fs::path& directory, const std::string& name) {
    const fs::path root = fs::canonical(directory);
    const fs::path path = fs::weakly_canonical(root / name);
    const auto common = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
    if (fs::path(name).is_absolute() || common.first != root.end())
        throw Error(text("the manifest of ", directory, " names ", name, ", which lies outside"));
    return directory / name;
}

void check_file(const fs::path& directory, const std::string& name, const Value& entry) {
    const fs::path path = inside(directory, name);
    if (!fs::is_regular_file(path))
        throw Error(text(directory, " is incomplete: ", name, " is missing"));
    const auto bytes = static_cast<double>(fs::file_size(path));
    if (const double expected = entry["bytes"].number(); bytes != expected)
        throw Error(text(path, " is truncated or edited: ", fs::file_size(path),
                         " bytes, expected ", static_cast<std::uintmax_t>(expected)));
    if (sha256_file(path) != entry["sha256"].string())
        throw Error(text(path, " was edited or damaged: its hash is not the recorded one"));
}

/// The path under `key`: one of the files whose hashes were checked.
fs::path checked_file(const fs::path& directory, const Value& manifest, const char* key) {
    const std::string& name = manifest[key].string();
    if (!manifest["files"].has(name))
        throw Error(text("the manifest of ", directory, " has no hash of ", name));
    return directory / name;
}

std::vector<std::string> strings(const Value& array) {
    std::vector<std::string> out;
    for (const Value& item : array.array()) out.push_back(item.string());
    return out;
}

OpenVinoParts openvino_parts(const fs::path& directory, const Value& manifest) {
    return {checked_file(directory, manifest, "weights"), manifest["isa"].string(),
            manifest["activations"].string(), manifest["versions"]["openvino"].string()};
}

TensorRtParts tensorrt_parts(const Value& manifest) {
    const std::string& library = manifest["library"].string();
    if (library != "tensorrt" && library != "tensorrt_rtx")
        throw json::Error(text("library ", library, " is unknown to this version of ltp-deploy"));
    return {library, manifest["versions"][library].string(),
            manifest["compute_capability"].string(), strings(manifest["outputs"])};
}

/// The limits of the engine, which may be tighter than the model's own.
void add_limits(Info& info, const Value& limits) {
    info.max_tokens = limits["max_tokens"].integer();
    info.max_batch = limits["max_batch"].integer();
    if (const int length = limits["max_length"].integer(); length > 0)
        info.max_length = std::min(info.max_length, length);
    if (info.max_tokens < 0 || info.max_batch < 0) throw json::Error("`limits` are negative");
}

Bundle read(const fs::path& directory, const Value& manifest) {
    check_format(directory, manifest);
    check_platform(directory, manifest);
    for (const auto& [name, entry] : manifest["files"].object()) check_file(directory, name, entry);
    if (manifest.has("tokenizer")) inside(directory, manifest["tokenizer"].string());

    const Value& model = manifest["model"];
    Bundle bundle;
    bundle.directory = directory;
    bundle.engine = checked_file(directory, manifest, "engine");
    if (manifest.has("plugin")) bundle.plugin = checked_file(directory, manifest, "plugin");
    bundle.inputs = strings(manifest["inputs"]);
    bundle.backend = manifest["backend"].string();
    if (bundle.backend == "openvino") bundle.openvino = openvino_parts(directory, manifest);
    if (bundle.backend == "tensorrt") bundle.tensorrt = tensorrt_parts(manifest);
    bundle.position_start = model["position_start"].integer();
    bundle.padding_skips = model["padding_skips"].boolean();
    bundle.info = {manifest["target"].string(),        manifest["precision"].string(),
                   strings(model["labels"]),           model["num_labels"].integer(),
                   model["max_length"].integer(),      model["vocab_size"].integer(),
                   model["type_vocab_size"].integer(), model["pad_token_id"].integer()};
    Info& info = bundle.info;
    if (manifest.has("limits")) add_limits(info, manifest["limits"]);
    if (!info.labels.empty() && info.labels.size() != static_cast<std::size_t>(info.num_labels))
        throw json::Error(text(info.num_labels, " classes but ", info.labels.size(), " labels"));
    return bundle;
}

}  // namespace

Bundle read_bundle(const fs::path& directory) {
    const Value manifest = read_manifest(directory);
    try {
        return read(directory, manifest);
    } catch (const json::Error& error) {
        throw Error(text("the manifest of ", directory, " cannot be used: ", error.what()));
    }
}

void check_openvino(const Bundle& bundle, const std::string& running) {
    const std::string release = running.substr(0, running.find('-'));  // 2026.4.1-22982-...
    if (release != bundle.openvino.version)
        throw Error(text(bundle.directory, " was built with OpenVINO ", bundle.openvino.version,
                         ", this is ", release,
                         "; its plugin works with that release alone: rebuild the bundle, ",
                         "or build and run this program with OpenVINO ", bundle.openvino.version));
}

}  // namespace ltp
