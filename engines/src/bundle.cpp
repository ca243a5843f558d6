#include "bundle.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>

#include "contents.h"
#include "digests.h"
#include "json.h"
#include "manifest.h"
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

    BundleFile file(const Value& named) const { return files_.at(named.string()); }

    /// Refuses names of files whose digests are not recorded, and of folders without such files.
    void check(const NamedFiles& named) const {
        for (const std::string& name : named.files) {
            check_name(directory_, name);
            if (!files_.count(name))
                throw Error(text("the manifest of ", directory_, " has no digest of ", name));
        }
        for (const std::string& name : named.folders) {
            check_name(directory_, name);
            const auto first = files_.lower_bound(name + "/");
            if (first == files_.end() || first->first.rfind(name + "/", 0) != 0)
                throw Error(
                    text("the manifest of ", directory_, " has no digest of a file in ", name));
        }
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
    return {files.file(manifest["engine"]["weights"]), manifest["activations"].string(),
            thresholds(manifest["model"]["policy"])};
}

TensorRtParts tensorrt_parts(const Value& manifest) {
    const Value engine = manifest["engine"];
    TensorRtParts parts{engine["library"].string(), engine["compute_capability"].string(), true};
    for (const Value& layer : manifest["plan"]["layers"].array())
        if (layer["carry"].string() == "survivors") parts.fixed_sizes = false;
    return parts;
}

Ir ir(const Value& value, const Files& files) {
    return {files.file(value["file"]), files.file(value["weights"])};
}

TextParts text_parts(const Value& tokenizer, const Files& files) {
    if (tokenizer.is_null() || tokenizer["cpp_texts"].is_null()) return {};
    const Value given = tokenizer["cpp_texts"];
    TextParts parts;
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
    info.max_length = limits["max_length"].number(1);
    info.vocab_size = model["vocab_size"].number(1);
    info.type_vocab_size = model["type_vocab_size"].number(0);
    info.pad_token_id = model["pad_token_id"].number(0);
    info.max_tokens = limits["max_tokens"].number(0);
    info.max_batch = limits["max_batch"].number(0);
    for (const Value& threshold : model["label_thresholds"].array())
        info.label_thresholds.push_back(threshold.real());
    return info;
}

Bundle read(const fs::path& directory, const Value& manifest) {
    check_format(directory, manifest);
    const NamedFiles named = check_manifest(manifest);
    check_platform(directory, manifest);
    const Files files(directory, manifest["files"]);
    files.check(named);

    const Value engine = manifest["engine"], model = manifest["model"];
    Bundle bundle;
    bundle.directory = directory;
    bundle.texts = text_parts(manifest["tokenizer"], files);
    bundle.engine = files.file(engine["file"]);
    if (!engine["plugin"].is_null()) bundle.plugin = files.file(engine["plugin"]);
    bundle.inputs = manifest["inputs"].strings();
    bundle.outputs = manifest["outputs"].strings();
    bundle.backend = manifest["backend"].string();
    for (const auto& [package, version] : manifest["versions"].members())
        bundle.versions[package] = version.string();
    if (bundle.backend == "openvino") bundle.openvino = openvino_parts(manifest, files);
    if (bundle.backend == "tensorrt") bundle.tensorrt = tensorrt_parts(manifest);
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

const std::string& Bundle::version(const std::string& package) const {
    const auto found = versions.find(package);
    if (found == versions.end())
        throw Error(text("the manifest of ", directory, " has no entry `versions.", package,
                         "`; rebuild the bundle"));
    return found->second;
}

void check_openvino(const Bundle& bundle, const std::string& running) {
    const std::string release = running.substr(0, running.find('-'));  // 2026.4.1-22982-...
    if (const std::string& built = bundle.version("openvino"); release != built)
        throw Error(text(bundle.directory, " was built with OpenVINO ", built, ", this is ",
                         release, "; its plugin works with that release alone: rebuild the ",
                         "bundle, or build and run this program with OpenVINO ", built));
}

}  // namespace ltp
