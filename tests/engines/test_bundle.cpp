// What a bundle says, and every reason to refuse one before anything of it is loaded.
#include "bundle.h"

#include <sys/stat.h>

#include <fstream>
#include <functional>

#include "refused.h"
#include "toy_bundle.h"

namespace {

namespace fs = std::filesystem;
using test::ToyBundle;

void valid() {
    const ToyBundle toy;
    const ltp::Bundle bundle = ltp::read_bundle(toy.path);
    CHECK(bundle.engine->path() == toy.path / "engine.xml", bundle.engine->path());
    CHECK(bundle.openvino.weights->data() == "its weights", bundle.openvino.weights->data());
    CHECK(bundle.plugin->data() == "its operators", bundle.plugin->data());
    CHECK(bundle.openvino.thresholds == std::vector<double>{0.5}, "thresholds");
    CHECK(bundle.inputs.size() == 4 && bundle.inputs[3] == "offsets", "inputs");
    CHECK(bundle.position_start == 2 && bundle.padding_skips, "positions");
    const ltp::Info& info = bundle.info;
    CHECK(info.target == "cpu" && info.precision == "f32", info.target, info.precision);
    CHECK(info.vocab_size == 1000 && info.type_vocab_size == 2 && info.max_length == 8, "sizes");
    CHECK(info.num_labels == 3 && info.pad_token_id == 1, "numbers");
    CHECK(info.max_tokens == 0 && info.max_batch == 0, "no limits");
    CHECK(info.labels.at(2) == "oui à la carte", info.labels.at(2));
    CHECK(info.head == "classification", info.head);
    CHECK(info.label_thresholds.empty(), "a half for each");
}

/// sigmoid(2.1972246) is above 0.9 and sigmoid(2.1972245) below: the float32 values around ln 9.
void labels_hold_above_their_thresholds() {
    using Numbers = std::vector<std::size_t>;
    ToyBundle toy;
    toy.replace("\"classification\"", "\"multi_label\"");
    const float zero[] = {0, 1e-30f, -1e-30f};
    CHECK(ltp::read_bundle(toy.path).info.predicted(zero) == Numbers{1}, "above a half alone");
    toy.replace("\"label_thresholds\": []", "\"label_thresholds\": [0.9, 0.25, 0.5]");
    const ltp::Info info = ltp::read_bundle(toy.path).info;
    CHECK(info.label_thresholds == (std::vector<double>{0.9, 0.25, 0.5}), "in order");
    const float above[] = {2.1972248f, -1.0986121f, 1e-30f}, below[] = {2.1972244f, -1.0986124f, 0};
    CHECK(info.predicted(above) == (Numbers{0, 1, 2}), "all");
    CHECK(info.predicted(below).empty(), "none");
}

void valid_for_tensorrt() {
    ToyBundle toy;
    toy.make_tensorrt("tensorrt_rtx", "1.7.1.116");
    const ltp::Bundle bundle = ltp::read_bundle(toy.path);
    CHECK(bundle.backend == "tensorrt", bundle.backend);
    CHECK(bundle.tensorrt.library == "tensorrt_rtx", bundle.tensorrt.library);
    CHECK(bundle.version("tensorrt_rtx") == "1.7.1.116", bundle.version("tensorrt_rtx"));
    CHECK_REFUSED(bundle.version("torch"), "has no entry `versions.torch`; rebuild the bundle");
    CHECK(bundle.tensorrt.compute_capability == "7.5", bundle.tensorrt.compute_capability);
    CHECK(bundle.outputs.size() == 2 && bundle.inputs.size() == 4, "inputs, outputs");
    CHECK(bundle.engine->data() == "an engine", bundle.engine->data());
    CHECK(bundle.plugin->path() == toy.path / "libltp_tensorrt.so", bundle.plugin->path());
    CHECK(bundle.info.max_tokens == 12 && bundle.info.max_batch == 3, "limits");
    CHECK(bundle.info.max_length == 6, "the engine's limit is tighter than the model's");
    toy.replace("\"max_length\": 6", "\"max_length\": 9");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "a limit of 9 tokens, and the model takes 8");
    toy.replace("\"max_length\": 9", "\"max_length\": 8");
    CHECK(ltp::read_bundle(toy.path).info.max_length == 8, "as much as the model takes");
    toy.replace("\"library\": \"tensorrt_rtx\"", "\"library\": \"tensorrt_vtx\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path),
                  "`engine.library` is not one of tensorrt, tensorrt_rtx, but \"tensorrt_vtx\"");
}

/// Refused after `from` in the manifest was replaced and the manifest signed again.
void edited(const std::string& from, const std::string& to, const std::string& words) {
    ToyBundle toy;
    toy.replace(from, to);
    CHECK_REFUSED(ltp::read_bundle(toy.path), words);
}

void manifests() {
    edited("ltp-deploy bundle", "another bundle", "is not a bundle of ltp-deploy");
    edited("\"format\"", "\"formed\"", "is not a bundle of ltp-deploy");
    edited("\"ltp-deploy bundle\"", "3", "`format` is not a string, but 3");
    for (const char* version : {"2", "4", "4294967299", "0"})
        edited("\"format_version\": 3", std::string("\"format_version\": ") + version,
               std::string("has bundle format ") + version + ", this version reads 3; rebuild it");
    for (const char* version : {"-3", "3.0", "\"3\"", "99999999999999999999"})
        edited("\"format_version\": 3", std::string("\"format_version\": ") + version,
               "`format_version` is not an integer from 0");
    edited("\"openvino\", \"precision\"", "\"torchscript\", \"precision\"",
           "was built for torchscript");
    edited("{\"format\"", "[\"format\"", "is not valid JSON");
    edited("\"no\", ", "", "2 labels for 3 outputs");
    edited("\"classification\"", "\"spans\"", "`model.head` is not one of classification, ");
    const std::string none = "\"label_thresholds\": []", some = "\"label_thresholds\": ";
    edited(none, some + "[0.5, 0.5, 0.4]", "thresholds of labels, and the head is classification");
    edited("\"classification\", " + none, "\"multi_label\", " + some + "[0.5, 0.4]",
           "2 thresholds of labels for 3 outputs");
    for (const char* bad : {"0", "1", "-0.5", "1.5"})
        edited("\"classification\", " + none,
               "\"multi_label\", " + some + "[0.5, 0.4, " + bad + "]",
               "a label's threshold must lie between 0 and 1, found ");
    edited("\"bytes\": ", "\"size\": ", "it has no `files.engine.xml.bytes`");
    edited("\"plugin\": \"plugin.so\"", "\"plugin\": \"a.so\"", "has no digest of a.so");
}

/// Of a wrong type, missing, unknown, or out of range, at each depth. That all such entries are
/// refused, and by Python too, is tested in tests/agreement.
void entries() {
    edited("\"vocab_size\": 1000, ", "", "it has no `model.vocab_size`");
    edited("1000", "\"many\"", "`model.vocab_size` is not an integer, but \"many\"");
    edited("1000", "2147483648", "`model.vocab_size` is not an integer from 1 to 2147483647");
    edited("1000", "0", "`model.vocab_size` is not an integer from 1 to 2147483647, but 0");
    edited("1000", "1000.5", "`model.vocab_size` is not an integer, but 1000.5");
    edited("\"vocab_size\"", "\"words\": 9, \"vocab_size\"", "has an unknown entry `model.words`");
    edited("\"family\": \"bert\"", "\"family\": null", "`model.family` is not a string, but null");
    edited("\"padding_skips\": true", "\"padding_skips\": 1", "is not true or false, but 1");
    edited("\"perhaps\"", "[]", "`model.labels[1]` is not a string, but array");
    edited("\"label_thresholds\": [],\n", "\n", "it has no `model.label_thresholds`");
    edited("\"threshold\": 0.5", "\"threshold\": \"0.5\"",
           "`model.policy.layers[0].threshold` is not a number");
    edited("\"mode\": \"topk\"", "\"mode\": \"TOPK\"",
           "`model.policy.layers[0].mode` is not one of none, absolute, relative, topk, but \"TO");
    edited("\"threshold\": 0.5", "\"threshold\": 1.5", "the keep rate must lie in 0..1, found 1.5");
    edited("\"score_length\": \"sequence\"", "\"score_length\": 0",
           "`model.policy.score_length` is not an integer from 1");
    edited("\"pad_token_id\": 1", "\"pad_token_id\": 1000", "pad_token_id 1000 is no token");
    edited("\"max_length\": 8, ", "\"max_length\": 9, ", "`model.max_length` must be 8");
    edited("\"position_start\": 2", "\"position_start\": 10", "position_start 10 is none of 10");
    edited("\"heads\": 2", "\"heads\": 3", "hidden size 8 is no multiple of 3 heads");
    edited("\"layers\": 1", "\"layers\": 2", "`model.policy.layers` has 1 entries for 2 layers");
    edited("\"kept\": [0.5]", "\"kept\": []", "`profile.kept` has 0 entries for 1 layers");
    edited("\"max_batch\": 0, \"max_length\": 8", "\"max_batch\": 0, \"max_length\": 0",
           "`limits.max_length` is not an integer from 1");
    edited("\"outputs\": [\"logits\"]", "\"answers\": [\"logits\"]", "it has no `outputs`");
    edited("{\"max_tokens\"", "{\"most_tokens\"", "it has no `limits.max_tokens`");
    edited("\"input_ids\", ", "\"mask\", ", "`inputs[0]` is not one of input_ids, position_ids");
    edited("\"isa\": \"\"", "\"isa\": \"avx9\"", "`engine.isa` is not one of \"\", avx2, but \"a");
    edited("\"engine\": {", "\"engine\": 1, \"motor\": {", "`engine` is not an object");
    edited("\"activations\": \"f32\"", "\"activations\": \"f33\"", "`activations` is not one of f");
    edited("\"usual_batch\": 8", "\"usual_batch\": 0",
           "`options.usual_batch` is not an integer fr");
    edited("\"carry\": \"first\"", "\"carry\": 2",
           "`plan.layers[0].carry` is not one of all, surv");
    edited("\"ties\": 0", "\"ties\": 0.5", "`parity.ties` is not an integer, but 0.5");
    edited("\"tokenizer\": null", "\"tokenizer\": 1", "`tokenizer` is not an object");
    edited("\"tokenizer\": null", "\"tongue\": null", "it has no `tokenizer`");
    edited("\"bytes\": ", "\"bytes\": -", "bytes` is not an integer from 0");
    edited("\"digest\": \"", "\"digest\": \"0", "was edited or damaged");
}

void embeddings() {
    const std::string none = "\"embedding\": null", some = "\"embedding\": {\"pooling\": ",
                      rest = R"(, "dense": null, "normalize": true, "prompts": {"query": "Q: "},
                                "default_prompt": )";
    edited(none, some + "\"max\"" + rest + "null}", "`model.embedding.pooling` is not one of fir");
    edited(none, some + "\"first\"" + rest + "\"passage\"}", "default prompt passage is none of");
    edited(none, some + "\"first\"" + rest + "7}", "`model.embedding.default_prompt` is not a st");
    ToyBundle toy;
    toy.replace(none, some + "\"frozen\"" + rest + "\"query\"}");
    ltp::read_bundle(toy.path);
    toy.replace("\"sequence\", \"first_token\": \"keep\"",
                "\"sequence\", \"first_token\": \"reference\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "needs a policy that keeps the first one");
}

void platforms() {
    ToyBundle toy;
    toy.replace("\"machine\": \"", "\"machine\": \"other-");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "rebuild it here");
    ToyBundle other;
    other.make_tensorrt("tensorrt", "10.9.0");
    other.replace("\"machine\": \"", "\"machine\": \"other-");
    CHECK_REFUSED(ltp::read_bundle(other.path), "rebuild it here");
    other.replace("\"plugin\": \"libltp_tensorrt.so\"", "\"plugin\": null");
    ltp::read_bundle(other.path);  // runs anywhere as long as it has no plugin
}

/// Wherever the manifest can name a file or folder: what stands there between what comes before
/// and after it, and what a name is put between.
struct Place {
    const char *before, *old, *after, *open = "", *close = "";
};
const Place kPlaces[] = {
    {"\"", "engine.bin", "\": {\"digest\""},
    {"\"file\": \"", "engine.xml", "\""},
    {"\"weights\": \"", "engine.bin", "\""},
    {"\"plugin\": \"", "plugin.so", "\""},
    {"\"calibration\": ", "null", ",", "\"", "\""},
    {"\"tokenizer\": ", "null", ",\n        \"files\"", "{\"folder\": \"",
     R"(", "library": "tokenizers", "token_types": true, "split_special_tokens": false,
         "size": 9, "fingerprint": "", "cpp_texts": null})"},
};

/// Refused where any of the places holds `name`.
void named_everywhere(ToyBundle& toy, const std::string& name, const std::string& words) {
    for (const Place& place : kPlaces) {
        const std::string old = std::string(place.before) + place.old + place.after;
        const std::string changed =
            std::string(place.before) + place.open + name + place.close + place.after;
        toy.replace(old, changed);
        CHECK_REFUSED(ltp::read_bundle(toy.path), words);
        toy.replace(changed, old);
    }
    ltp::read_bundle(toy.path);
}

void names() {
    ToyBundle toy;
    for (const char* name :
         {"", ".", "..", "../engine.bin", "/etc/passwd", "/", "a/../engine.bin", "./engine.bin",
          "a//engine.bin", "engine.bin/", "tokenizer/..", "engine.bin\\u0000.txt", "a\\\\b"})
        named_everywhere(toy, name, "names what cannot be a file inside the bundle");
    toy.replace("\"weights\": \"engine.bin\"", "\"weights\": \"nothing\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "has no digest of nothing");
}

/// Also of files that this runtime does not read itself.
void names_of_other_files() {
    edited("\"calibration\": null", "\"calibration\": \"other.json\"",
           "has no digest of other.json");
    const std::pair<const char*, const char*> edits[] = {
        {"\"onnx\": \"model.onnx\"", "\"onnx\": \"../model.onnx\""},
        {"\"weights\": \"model.bin\"", "\"weights\": \"../model.bin\""},
        {"\"layers_file\": \"layers.json\"", "\"layers_file\": \"../layers.json\""},
        {"\"kernels\": null", "\"kernels\": \"../kernels.fatbin\""},
        {"\"portable\": null", R"("portable": {"file": "../a.onnx", "weights": "model.bin"})"},
        {"\"portable\": null", R"("portable": {"file": "model.onnx", "weights": "../a.bin"})"}};
    for (const auto& [from, to] : edits) {
        ToyBundle toy;
        toy.make_tensorrt("tensorrt", "10.9.0");
        toy.replace(from, to);
        CHECK_REFUSED(ltp::read_bundle(toy.path), "inside the bundle");
    }
}

/// Refused after a listed file was replaced by something else.
void replaced(const std::function<void(const fs::path&)>& make, const std::string& words) {
    ToyBundle toy;
    toy.put("engine.bin", "");
    fs::remove(toy.path / "engine.bin");
    make(toy.path / "engine.bin");
    CHECK_REFUSED(ltp::read_bundle(toy.path), words);
}

void special_files() {
    const ToyBundle other;
    const fs::path elsewhere = other.path / "engine.bin";
    const auto pipe = [](const fs::path& path) {
        CHECK(mkfifo(path.c_str(), 0600) == 0, "no pipe");
    };
    replaced([&](const fs::path& path) { fs::create_symlink(elsewhere, path); }, "is a symbolic");
    replaced([](const fs::path& path) { fs::create_symlink("nowhere", path); }, "is a symbolic");
    replaced([](const fs::path& path) { fs::create_symlink("/dev/zero", path); }, "is a symbolic");
    replaced([](const fs::path& path) { fs::create_directory(path); }, "is not a regular file");
    replaced([](const fs::path& path) { fs::create_symlink(".", path); }, "is a symbolic link");
    replaced(pipe, "is not a regular file");
}

/// Whatever its kind: nobody would know what it was when the bundle was built.
void unlisted_files() {
    const auto refused = [](const std::function<void(const fs::path&)>& make) {
        ToyBundle toy;
        make(toy.path);
        CHECK_REFUSED(ltp::read_bundle(toy.path), "added\" is not in the manifest of");
    };
    refused([](const fs::path& bundle) { std::ofstream(bundle / "added") << "1"; });
    refused([](const fs::path& bundle) { fs::create_directory(bundle / "added"); });
    refused([](const fs::path& bundle) { fs::create_symlink("engine.bin", bundle / "added"); });
    refused([](const fs::path& bundle) { mkfifo((bundle / "added").c_str(), 0600); });

    ToyBundle toy;
    toy.make_texts();
    toy.put("tokenizer/added", "{}");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "tokenizer/added\" is not in the manifest of");
    fs::remove(toy.path / "tokenizer/added");
    ltp::read_bundle(toy.path);
    const ToyBundle other;
    fs::rename(toy.path / "tokenizer", other.path / "tokenizer");
    fs::create_directory_symlink(other.path / "tokenizer", toy.path / "tokenizer");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "tokenizer\" is a symbolic link");
}

/// Nothing of them is read, which would take hours.
void sparse_files() {
    for (const char* name : {"manifest.json", "manifest.sha256", "engine.bin"}) {
        const ToyBundle toy;
        fs::resize_file(toy.path / name, std::uintmax_t{1} << 42);
        CHECK_REFUSED(ltp::read_bundle(toy.path), "nearly all of them holes");
    }
    ToyBundle toy;
    toy.put("manifest.sha256", std::string(5000, ' '));
    CHECK_REFUSED(ltp::read_bundle(toy.path), "has 5000 bytes, and no bundle's has more than 4096");
}

void tokenizers() {
    ToyBundle toy;
    fs::create_directory(toy.path / "tokenizer");
    toy.replace("\"tokenizer\": null", R"("tokenizer": {"folder": "tokenizer",
        "library": "tokenizers", "token_types": true, "split_special_tokens": false,
        "size": 9, "fingerprint": "", "cpp_texts": null})");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "tokenizer\" is not in the manifest");
    fs::remove(toy.path / "tokenizer");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "has no digest of a file in tokenizer");
    fs::create_directory(toy.path / "tokenizer");
    toy.put("tokenizer/vocab.txt", "words");
    toy.add_entry("tokenizer/vocab.txt");
    ltp::read_bundle(toy.path);
    toy.put("tokenizer/vocab.txt", "WORDS");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "vocab.txt\" was edited or damaged");
    toy.put("tokenizer/vocab.txt", "words");
    toy.replace("\"folder\": \"tokenizer\"", "\"folder\": \"engine.bin\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "has no digest of a file in engine.bin");
}

void texts() {
    ToyBundle toy;
    CHECK(!ltp::read_bundle(toy.path).texts.texts.model, "no tokenizer");
    toy.make_texts();
    const ltp::TextParts parts = ltp::read_bundle(toy.path).texts;
    CHECK(parts.texts.model->path() == toy.path / "cpp_texts/texts.xml", parts.texts.model->path());
    CHECK(parts.pairs.weights->path() == toy.path / "cpp_texts/pairs.bin",
          parts.pairs.weights->path());
    CHECK(parts.token_types, "token types");
    for (const char* name : {"texts.xml", "pairs.bin", "refused.txt"}) {
        const std::string old = "\"cpp_texts/" + std::string(name) + "\"";
        toy.replace(": " + old, ": \"../" + std::string(name) + "\"");
        CHECK_REFUSED(ltp::read_bundle(toy.path), "names what cannot be a file inside the bundle");
        toy.replace(": \"../" + std::string(name) + "\"", ": " + old);
    }
    toy.replace("\"cpp_texts\": {\"texts\"", "\"cpp_texts\": {\"words\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "it has no `tokenizer.cpp_texts.texts`");
}

void files() {
    ToyBundle toy;
    toy.put("engine.bin", "ITS WEIGHTS");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "engine.bin\" was edited or damaged");
    toy.put("engine.bin", "its");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "is truncated or edited: 3 bytes, expected 11");
    fs::remove(toy.path / "engine.bin");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "is incomplete: engine.bin is missing");
    fs::create_directory(toy.path / "engine.bin");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "engine.bin\" is not a regular file");
}

void damaged_manifest() {
    ToyBundle toy;
    toy.put("manifest.json", "{}");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "manifest.json\" was edited or damaged");
    fs::remove(toy.path / "manifest.sha256");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "is incomplete: manifest.sha256 is missing");
    CHECK(mkfifo((toy.path / "manifest.sha256").c_str(), 0600) == 0, "no pipe");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "manifest.sha256\" is not a regular file");
    fs::remove(toy.path / "manifest.json");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "it has no manifest.json");
    fs::create_symlink("/dev/zero", toy.path / "manifest.json");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "manifest.json\" is a symbolic link");
    CHECK_REFUSED(ltp::read_bundle(toy.path / "nowhere"), "it has no manifest.json");
}

void reached_through_a_link() {
    const ToyBundle toy, links;
    fs::create_directory_symlink(toy.path, links.path / "bundle");
    ltp::read_bundle(links.path / "bundle");  // where the bundle lies is the user's business
}

void openvino_versions() {
    ltp::Bundle bundle{};
    bundle.versions["openvino"] = "2026.4.1";
    ltp::check_openvino(bundle, "2026.4.1-22982-e213a147257-releases/2026/4");
    ltp::check_openvino(bundle, "2026.4.1");
    for (const char* other : {"2026.4.10-1-x", "2026.4.0-22982-x", "2026.4", "2025.4.1-1-x", ""})
        CHECK_REFUSED(ltp::check_openvino(bundle, other), "was built with OpenVINO 2026.4.1");
    bundle.versions.clear();
    CHECK_REFUSED(ltp::check_openvino(bundle, "2026.4.1"), "has no entry `versions.openvino`");
}

}  // namespace

int main() {
    valid();
    labels_hold_above_their_thresholds();
    valid_for_tensorrt();
    manifests();
    entries();
    embeddings();
    platforms();
    names();
    names_of_other_files();
    special_files();
    unlisted_files();
    sparse_files();
    tokenizers();
    texts();
    files();
    damaged_manifest();
    reached_through_a_link();
    openvino_versions();
    return test::report("bundle");
}
