#include "toy_bundle.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include <fstream>
#include <openvino/op/string_tensor_unpack.hpp>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset8.hpp>
#include <sstream>

#include "digests.h"
#include "mapped_file.h"
#include "sha256.h"

namespace test {
namespace {

namespace fs = std::filesystem;

fs::path new_directory() {
    std::string name = fs::temp_directory_path() / "ltp-toy-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
    return name;
}

std::string platform() {
    utsname here{};
    uname(&here);
    return std::string(R"({"system": ")") + here.sysname + R"(", "machine": ")" + here.machine +
           "\"}";
}

std::string openvino_release() {
    const std::string version = ov::get_openvino_version().buildNumber;
    return version.substr(0, version.find('-'));
}

/// Gives each id itself, out of a table of more than 4 MiB.
ov::Output<ov::Node> looked_up(const ov::Output<ov::Node>& ids) {
    using namespace ov::opset8;
    constexpr std::size_t rows = 1000, columns = 1100;
    std::vector<float> table(rows * columns);
    for (std::size_t id = 0; id < rows; ++id) table[id * columns] = static_cast<float>(id);
    const auto number = [](int value) { return Constant::create(ov::element::i32, {1}, {value}); };
    const auto found = std::make_shared<Gather>(
        Constant::create(ov::element::f32, {rows, columns}, table), ids, number(0));
    return std::make_shared<Slice>(found, number(0), number(1), number(1), number(1));
}

std::shared_ptr<ov::Model> sums() {
    using namespace ov::opset8;
    const auto i32 = ov::element::i32;
    const auto number = [&](std::vector<int> values) {
        return Constant::create(i32, {values.size()}, values);
    };
    ov::ParameterVector inputs;
    ov::OutputVector columns;
    for (const char* name : {"input_ids", "position_ids", "token_type_ids", "offsets"}) {
        inputs.push_back(std::make_shared<Parameter>(i32, ov::PartialShape{-1}));
        inputs.back()->output(0).set_names({name});
        if (inputs.size() <= 3)
            columns.push_back(std::make_shared<Convert>(
                std::make_shared<Unsqueeze>(inputs.back(), number({1})), ov::element::f32));
    }
    columns[0] = looked_up(inputs[0]);
    const auto tokens = std::make_shared<Concat>(columns, 1);
    const auto axis = Constant::create(i32, {}, {0});
    const auto zeros = Constant::create(ov::element::f32, {1, 3}, {0, 0, 0});
    const auto totals = std::make_shared<Concat>(
        ov::OutputVector{zeros, std::make_shared<CumSum>(tokens, axis)}, 0);
    const auto total_at = [&](int from, int to) {
        const auto rows =
            std::make_shared<Slice>(inputs.back(), number({from}), number({to}), number({1}));
        return std::make_shared<Gather>(totals, rows, axis);
    };
    const auto logits = std::make_shared<Subtract>(total_at(1, INT_MAX), total_at(0, -1));
    logits->output(0).set_names({"logits"});
    return std::make_shared<ov::Model>(ov::OutputVector{logits}, inputs);
}

std::shared_ptr<ov::Model> bytes(bool pairs) {
    using namespace ov::opset8;
    const auto i32 = ov::element::i32;
    const auto number = [&](int value) { return Constant::create(i32, {}, {value}); };
    ov::ParameterVector inputs;
    for (int i = 0; i < 1 + pairs; ++i)
        inputs.push_back(std::make_shared<Parameter>(ov::element::string, ov::PartialShape{-1}));
    const auto unpacked = std::make_shared<ov::op::v15::StringTensorUnpack>(inputs.back());
    const auto begins = unpacked->output(0), ends = unpacked->output(1);
    const auto ids = std::make_shared<Convert>(unpacked->output(2), i32);
    const auto most = std::make_shared<Add>(begins, number(3));
    const auto types = std::make_shared<Broadcast>(
        number(pairs), std::make_shared<ShapeOf>(ids, ov::element::i32));
    const auto cut = std::make_shared<Convert>(std::make_shared<Greater>(ends, most), i32);
    const std::pair<const char*, ov::Output<ov::Node>> outputs[] = {
        {"begins", std::make_shared<Minimum>(begins, ends)},
        {"ends", std::make_shared<Minimum>(ends, most)},
        {"input_ids", ids},
        {"token_type_ids", types},
        {"truncated", cut}};
    ov::ResultVector results;
    for (const auto& [name, output] : outputs) {
        results.push_back(std::make_shared<Result>(output));
        results.back()->output(0).set_names({name});
    }
    return std::make_shared<ov::Model>(results, inputs);
}

}  // namespace

ToyBundle::ToyBundle() : path(new_directory()) {
    put("engine.xml", "an engine");
    put("engine.bin", "its weights");
    put("plugin.so", "its operators");
    write_openvino_manifest();
}

ToyBundle::~ToyBundle() { fs::remove_all(path); }

void ToyBundle::make_engine() {
    ov::save_model(sums(), (path / "engine.xml").string(), /*compress_to_fp16=*/false);
    fs::copy_file(TOY_PLUGIN, path / "plugin.so", fs::copy_options::overwrite_existing);
    write_openvino_manifest();
}

void ToyBundle::make_texts() {
    fs::create_directory(path / "cpp_texts");
    fs::create_directory(path / "tokenizer");
    ov::save_model(bytes(false), (path / "cpp_texts/texts.xml").string());
    ov::save_model(bytes(true), (path / "cpp_texts/pairs.xml").string());
    put("cpp_texts/refused.txt", "3c2 3c2\n4e00 4eff\n");
    put("tokenizer/tokenizer.json", "{}");
    replace("\"tokenizer\": null", R"("tokenizer": {"folder": "tokenizer", "library": "tokenizers",
        "token_types": true, "split_special_tokens": false, "size": 1000, "fingerprint": "",
        "cpp_texts": {"texts": {"file": "cpp_texts/texts.xml", "weights": "cpp_texts/texts.bin"},
                      "pairs": {"file": "cpp_texts/pairs.xml", "weights": "cpp_texts/pairs.bin"},
                      "refused": "cpp_texts/refused.txt", "version": "2026.4.1"}})");
    for (const char* file :
         {"tokenizer/tokenizer.json", "cpp_texts/texts.xml", "cpp_texts/texts.bin",
          "cpp_texts/pairs.xml", "cpp_texts/pairs.bin", "cpp_texts/refused.txt"})
        add_entry(file);
}

void ToyBundle::make_tensorrt(const std::string& library, const std::string& version) {
    for (const char* file : {"engine.xml", "engine.bin", "plugin.so"}) fs::remove(path / file);
    put("engine.plan", "an engine");
    put("libltp_tensorrt.so", "a plugin");
    for (const char* file : {"model.onnx", "model.bin", "layers.json"}) put(file, file);
    write_manifest(R"("target": "t4", "backend": "tensorrt", "precision": "fp16",
        "activations": "fp16", "versions": {")" +
                       library + R"(": ")" + version + R"("},
        "limits": {"max_tokens": 12, "max_batch": 3, "max_length": 6},
        "outputs": ["logits", "survivors.0.kept"],
        "engine": {"file": "engine.plan", "onnx": "model.onnx", "weights": "model.bin",
                   "layers_file": "layers.json", "plugin": "libltp_tensorrt.so", "kernels": null,
                   "plugin_sources": "", "library": ")" +
                       library + R"(", "run_by": ")" + library + R"(", "compute_capability": "7.5",
                   "layers": null, "built": {"seconds": 60, "peak_mib": 900}, "portable": null},)",
                   {"engine.plan", "libltp_tensorrt.so", "model.onnx", "model.bin", "layers.json"});
    replace("\"carry\": \"first\"", "\"carry\": \"survivors\"");
}

void ToyBundle::put(const std::string& file, const std::string& content) {
    std::ofstream(path / file, std::ios::binary) << content;
}

void ToyBundle::replace(const std::string& from, const std::string& to) {
    const std::size_t at = manifest_.find(from);
    if (at == std::string::npos) throw std::logic_error("the manifest has no " + from);
    manifest_.replace(at, from.size(), to);
    put("manifest.json", manifest_);
    put("manifest.sha256", ltp::sha256(manifest_) + "\n");
}

void ToyBundle::add_entry(const std::string& file) {
    replace("\"files\": {", "\"files\": {" + entry(file) + ", ");
}

std::string ToyBundle::entry(const std::string& file) const {
    std::ostringstream out;
    const ltp::MappedFile read(path / file);
    out << '"' << file << R"(": {"digest": ")" << ltp::digests({read.data()}).front()
        << R"(", "bytes": )" << read.data().size() << '}';
    return out.str();
}

void ToyBundle::write_manifest(const std::string& backend, const std::vector<std::string>& files) {
    std::string entries;
    for (const std::string& file : files) entries += (entries.empty() ? "" : ", ") + entry(file);
    manifest_ = R"({"format": "ltp-deploy bundle", "format_version": 3, "platform": )" +
                platform() + ", " + backend + R"(
        "inputs": ["input_ids", "position_ids", "token_type_ids", "offsets"],
        "options": {"target": "cpu", "precision": "f32", "survivors": false, "score_length": null,
                    "first_token": "keep", "label_thresholds": null, "compact": "auto",
                    "usual_batch": 8, "max_tokens": null, "max_batch": null, "max_length": null,
                    "not_int8": [], "library": null, "tokenizer": true, "cpp_texts": false,
                    "portable": false},
        "model": {"family": "bert", "layers": 1, "hidden_size": 8, "heads": 2,
                  "intermediate_size": 16, "vocab_size": 1000, "position_rows": 10,
                  "type_vocab_size": 2, "max_length": 8, "position_start": 2,
                  "padding_skips": true, "pad_token_id": 1, "num_labels": 3,
                  "activation": "gelu", "head_activation": "tanh", "layer_norm_eps": 1e-12,
                  "embedding_size": 8, "answer_activation": "none", "embedding": null,
                  "policy": {"layers": [{"mode": "topk", "threshold": 0.5}],
                             "score_length": "sequence", "first_token": "keep"},
                  "head": "classification", "label_thresholds": [],
                  "labels": ["no", "perhaps", "oui \u00e0 la carte"]},
        "plan": {"layers": [{"rule": "topk 0.5", "carry": "first", "precision": "f32",
                             "entering": 8, "carried": 1, "seconds": null,
                             "flops": {"qkv": 1, "attention": 2, "projection": 3, "ffn": 4}}],
                 "prediction": null},
        "source": {"name": "toy", "sha256": ""},
        "calibration": null,
        "profile": {"sequences": 9, "tokens": 7.5, "kept": [0.5], "deviation": [0.1]},
        "parity": {"sequences": 9, "ties": 0, "max_logit_difference": 1e-6},
        "tokenizer": null,
        "files": {)" +
                entries + "}}";
    replace("", "");
}

void ToyBundle::write_openvino_manifest() {
    write_manifest(
        R"("target": "cpu", "backend": "openvino", "precision": "f32", "activations": "f32",
        "limits": {"max_tokens": 0, "max_batch": 0, "max_length": 8}, "outputs": ["logits"],
        "engine": {"file": "engine.xml", "weights": "engine.bin", "plugin": "plugin.so", "isa": ""},
        "versions": {"openvino": ")" +
            openvino_release() + R"("},)",
        {"engine.xml", "engine.bin", "plugin.so"});
}

}  // namespace test
