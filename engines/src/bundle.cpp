#include "bundle.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>

#include "contents.h"
#include "digests.h"
#include "json.h"
#include "sha256.h"
#include "text.h"

namespace ltp {
namespace {

namespace fs = std::filesystem;
using json::Value;

constexpr int format_version = 3;
constexpr const char *manifest_name = "manifest.json", *hash_name = "manifest.sha256";
constexpr std::uintmax_t max_bytes = 64 << 20, max_hash_bytes = 4096;  // of these two
constexpr std::int64_t any_integer = std::numeric_limits<std::int64_t>::max();

std::string first_word(const std::string& line) {
    return line.substr(0, line.find_first_of(" \r\n"));
}

Value read_manifest(const fs::path& directory) {
    if (!fs::exists(directory / manifest_name))
        throw Error(text(directory, " is not a bundle: it has no ", manifest_name));
    const fs::path file = regular_file(directory, manifest_name, max_bytes);
    const MappedFile manifest(file), recorded(regular_file(directory, hash_name, max_hash_bytes));
    if (first_word(std::string(recorded.data())) != sha256(manifest.data()))
        throw Error(text(file, " was edited or damaged: its hash is not the recorded one"));
    try {
        return json::parse(manifest.data());
    } catch (const json::Error& error) {
        throw Error(text(file, " is not valid JSON: ", error.what()));
    }
}

void check_format(const fs::path& directory, const Value& manifest) {
    if (!manifest.has("format") || manifest["format"].string() != "ltp-deploy bundle")
        throw Error(text(directory, " is not a bundle of ltp-deploy"));
    if (const auto found = manifest["format_version"].integer(0, any_integer);
        found != format_version)
        throw Error(text(directory, " has bundle format ", found, ", this version reads ",
                         format_version, "; rebuild it, or use a matching version of ltp-deploy"));
    if (const std::string& backend = manifest["backend"].string();
        backend != "openvino" && backend != "tensorrt")
        throw Error(text(directory, " was built for ", backend, ", the C++ runtime runs OpenVINO ",
                         "and TensorRT bundles only; use the Python runtime, or build for another ",
                         "target"));
}

/// A plugin is machine code.
void check_platform(const fs::path& directory, const Value& manifest) {
    utsname here{};
    uname(&here);
    const Value made_for = manifest["platform"];
    const std::string &system = made_for["system"].string(),
                      &machine = made_for["machine"].string();
    if (!manifest["engine"]["plugin"].is_null() &&
        (system != here.sysname || machine != here.machine))
        throw Error(text(directory, " was built for ", system, " ", machine, ", this is ",
                         here.sysname, " ", here.machine, "; rebuild it here"));
}

/// The files whose digests are recorded, all of them checked, and what else the manifest names.
class Files {
public:
    Files(const fs::path& directory, const Value& files) : directory_(directory) {
        std::map<std::string, std::uint64_t> sizes;
        for (const auto& [name, entry] : files.members())
            sizes[name] = static_cast<std::uint64_t>(entry["bytes"].integer(0, any_integer));
        check_contents(directory, sizes, {manifest_name, hash_name});
        std::vector<std::string_view> contents;
        for (const auto& [name, size] : sizes) {
            const auto file = std::make_shared<const MappedFile>(regular_file(directory, name));
            contents.push_back(file->data());
            files_.emplace(name, file);
        }
        const std::vector<std::string> found = digests(contents);
        auto digest = found.begin();
        for (const auto& [name, file] : files_)
            if (*digest++ != files[name]["digest"].string() || file->data().size() != sizes[name])
                throw Error(text(file->path(), " was edited or damaged: its digest is not the ",
                                 "recorded one; copy the bundle again, or rebuild it"));
    }

    BundleFile file(const Value& named) const {
        const std::string& name = named.string();
        check_name(directory_, name);
        const auto found = files_.find(name);
        if (found == files_.end())
            throw Error(text("the manifest of ", directory_, " has no digest of ", name));
        return found->second;
    }

    /// Refuses a name that is not a folder of files whose digests are recorded.
    void check_folder(const Value& named) const {
        const std::string& name = named.string();
        check_name(directory_, name);
        const auto first = files_.lower_bound(name + "/");
        if (first == files_.end() || first->first.rfind(name + "/", 0) != 0)
            throw Error(text("the manifest of ", directory_, " has no digest of a file in ", name));
    }

private:
    const fs::path& directory_;
    std::map<std::string, BundleFile> files_;
};

std::vector<double> thresholds(const Value& policy) {
    std::vector<double> found;
    for (const Value& layer : policy["layers"].array()) found.push_back(layer["threshold"].real());
    return found;
}

OpenVinoParts openvino_parts(const Value& manifest, const Files& files) {
    const Value engine = manifest["engine"];
    return {files.file(engine["weights"]), engine["isa"].string(), manifest["activations"].string(),
            manifest["versions"]["openvino"].string(), thresholds(manifest["model"]["policy"])};
}

/// The probabilities above which labels hold; none stand for a half each.
std::vector<double> label_thresholds(const Value& model, const Info& info) {
    std::vector<double> found;
    for (const Value& threshold : model["label_thresholds"].array()) {
        found.push_back(threshold.real());
        if (!(found.back() > 0 && found.back() < 1))
            throw json::Error(
                text("a label's threshold must lie between 0 and 1, found ", found.back()));
    }
    if (!found.empty() && info.head != "multi_label")
        throw json::Error(text("thresholds of labels, and the head is ", info.head));
    if (!found.empty() && found.size() != static_cast<std::size_t>(info.num_labels))
        throw json::Error(text(info.num_labels, " labels but ", found.size(), " thresholds"));
    return found;
}

/// Checks the file under a key, where there is one: what this runtime does not read is checked too.
void check_optional(const Files& files, const Value& holder, const char* key) {
    if (holder.has(key) && !holder[key].is_null()) files.file(holder[key]);
}

TensorRtParts tensorrt_parts(const Value& manifest, const Files& files) {
    const Value engine = manifest["engine"];
    for (const char* key : {"onnx", "weights", "layers_file", "kernels"})
        check_optional(files, engine, key);
    if (engine.has("portable") && !engine["portable"].is_null())
        for (const char* key : {"file", "weights"}) check_optional(files, engine["portable"], key);
    const std::string& library = engine["library"].string();
    if (library != "tensorrt" && library != "tensorrt_rtx")
        throw json::Error(text("library ", library, " is unknown to this version of ltp-deploy"));
    return {library, manifest["versions"][library].string(), engine["compute_capability"].string()};
}

Ir ir(const Value& value, const Files& files) {
    return {files.file(value["file"]), files.file(value["weights"])};
}

TextParts text_parts(const Value& tokenizer, const Files& files) {
    TextParts parts;
    if (!tokenizer.has("cpp_texts") || tokenizer["cpp_texts"].is_null()) return parts;
    const Value given = tokenizer["cpp_texts"];
    parts.texts = ir(given["texts"], files);
    if (!given["pairs"].is_null()) parts.pairs = ir(given["pairs"], files);
    parts.refused = files.file(given["refused"]);
    parts.token_types = tokenizer["token_types"].boolean();
    return parts;
}

Info info(const Value& manifest) {
    const Value model = manifest["model"], limits = manifest["limits"];
    Info info;
    info.target = manifest["target"].string();
    info.precision = manifest["precision"].string();
    info.head = model["head"].string();
    info.labels = model["labels"].strings();
    info.num_labels = model["num_labels"].number(1);
    info.max_length = model["max_length"].number(1);
    info.vocab_size = model["vocab_size"].number(1);
    info.type_vocab_size = model["type_vocab_size"].number(0);
    info.pad_token_id = model["pad_token_id"].number(0);
    info.max_tokens = limits["max_tokens"].number(0);
    info.max_batch = limits["max_batch"].number(0);
    const int length = limits["max_length"].number(1);
    if (length > info.max_length)
        throw json::Error(
            text("a limit of ", length, " tokens, and the model takes ", info.max_length));
    info.max_length = length;
    if (info.pad_token_id >= info.vocab_size)
        throw json::Error(text("pad_token_id ", info.pad_token_id, " is no token"));
    if (!info.labels.empty() && info.labels.size() != static_cast<std::size_t>(info.num_labels))
        throw json::Error(text(info.num_labels, " classes but ", info.labels.size(), " labels"));
    info.label_thresholds = label_thresholds(model, info);
    for (const char* head : {"classification", "regression", "multi_label", "ranking", "embedding"})
        if (info.head == head) return info;
    throw json::Error(text("head ", info.head, " is unknown to this version of ltp-deploy"));
}

Bundle read(const fs::path& directory, const Value& manifest) {
    check_format(directory, manifest);
    check_platform(directory, manifest);
    const Files files(directory, manifest["files"]);
    TextParts texts;
    if (const Value tokenizer = manifest["tokenizer"]; !tokenizer.is_null()) {
        files.check_folder(tokenizer["folder"]);
        texts = text_parts(tokenizer, files);
    }
    check_optional(files, manifest, "calibration");

    const Value engine = manifest["engine"], model = manifest["model"];
    Bundle bundle;
    bundle.directory = directory;
    bundle.texts = std::move(texts);
    bundle.engine = files.file(engine["file"]);
    if (!engine["plugin"].is_null()) bundle.plugin = files.file(engine["plugin"]);
    bundle.inputs = manifest["inputs"].strings();
    bundle.outputs = manifest["outputs"].strings();
    bundle.backend = manifest["backend"].string();
    if (bundle.backend == "openvino") bundle.openvino = openvino_parts(manifest, files);
    if (bundle.backend == "tensorrt") bundle.tensorrt = tensorrt_parts(manifest, files);
    bundle.position_start = model["position_start"].number(0);
    bundle.padding_skips = model["padding_skips"].boolean();
    bundle.info = info(manifest);
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
