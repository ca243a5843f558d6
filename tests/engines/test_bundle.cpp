// What a bundle says, and every reason to refuse one before anything of it is loaded.
#include "bundle.h"

#include "refused.h"
#include "toy_bundle.h"

namespace {

namespace fs = std::filesystem;
using test::ToyBundle;

void valid() {
    const ToyBundle toy;
    const ltp::Bundle bundle = ltp::read_bundle(toy.path);
    CHECK(bundle.engine == toy.path / "engine.xml", bundle.engine);
    CHECK(bundle.openvino.weights == toy.path / "engine.bin", bundle.openvino.weights);
    CHECK(bundle.plugin.empty() && bundle.openvino.isa.empty(), "no plugin, no limit");
    CHECK(bundle.inputs.size() == 4 && bundle.inputs[3] == "offsets", "inputs");
    CHECK(bundle.position_start == 2 && bundle.padding_skips, "positions");
    const ltp::Info& info = bundle.info;
    CHECK(info.target == "cpu" && info.precision == "f32", info.target, info.precision);
    CHECK(info.vocab_size == 1000 && info.type_vocab_size == 2 && info.max_length == 8, "sizes");
    CHECK(info.num_labels == 3 && info.pad_token_id == 1, "numbers");
    CHECK(info.max_tokens == 0 && info.max_batch == 0, "no limits");
    CHECK(info.labels.at(2) == "oui à la carte", info.labels.at(2));
}

void valid_for_tensorrt() {
    ToyBundle toy;
    toy.make_tensorrt("tensorrt_rtx", "1.7.1.116");
    const ltp::Bundle bundle = ltp::read_bundle(toy.path);
    CHECK(bundle.backend == "tensorrt", bundle.backend);
    CHECK(bundle.tensorrt.library == "tensorrt_rtx", bundle.tensorrt.library);
    CHECK(bundle.tensorrt.version == "1.7.1.116", bundle.tensorrt.version);
    CHECK(bundle.tensorrt.compute_capability == "7.5", bundle.tensorrt.compute_capability);
    CHECK(bundle.tensorrt.outputs.size() == 2 && bundle.inputs.size() == 4, "inputs, outputs");
    CHECK(bundle.engine == toy.path / "engine.plan", bundle.engine);
    CHECK(bundle.plugin == toy.path / "libltp_tensorrt.so", bundle.plugin);
    CHECK(bundle.info.max_tokens == 12 && bundle.info.max_batch == 3, "limits");
    CHECK(bundle.info.max_length == 6, "the engine's limit is tighter than the model's");
    toy.replace("\"max_length\": 6", "\"max_length\": 0");
    CHECK(ltp::read_bundle(toy.path).info.max_length == 8, "the model's limit alone");
    toy.replace("\"max_tokens\": 12", "\"max_tokens\": -12");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "`limits` are negative");
    toy.replace("\"library\": \"tensorrt_rtx\"", "\"library\": \"tensorrt_vtx\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "library tensorrt_vtx is unknown");
}

/// Refused after `from` in the manifest was replaced and the manifest signed again.
void edited(const char* from, const char* to, const char* words) {
    ToyBundle toy;
    toy.replace(from, to);
    CHECK_REFUSED(ltp::read_bundle(toy.path), words);
}

void manifests() {
    edited("ltp-deploy bundle", "another bundle", "is not a bundle of ltp-deploy");
    edited("\"format\"", "\"formed\"", "is not a bundle of ltp-deploy");
    edited("\"format_version\": 2", "\"format_version\": 3",
           "has bundle format 3, this version reads 2");
    edited("\"openvino\", \"precision\"", "\"torchscript\", \"precision\"",
           "was built for torchscript");
    edited("{\"format\"", "[\"format\"", "is not valid JSON");
    edited("\"vocab_size\": 1000, ", "", "it has no `vocab_size`");
    edited("1000", "\"many\"", "`vocab_size` is not a number");
    edited("\"no\", ", "", "3 classes but 2 labels");
    edited("\"bytes\": ", "\"size\": ", "it has no `bytes`");
    edited("\"plugin\": null", "\"plugin\": \"plugin.so\"", "has no hash of plugin.so");
}

void platforms() {
    ToyBundle toy;
    toy.put("engine.so", "");
    toy.replace("\"machine\": \"", "\"machine\": \"other-");
    ltp::read_bundle(toy.path);  // runs anywhere as long as it has no plugin
    toy.replace("\"plugin\": null", "\"plugin\": \"engine.bin\"");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "rebuild it here");
}

void outside() {
    for (const char* name : {"../x", "/etc/passwd", "a/../../x", ".."}) {
        const std::string entry =
            std::string("{\"") + name + "\": {\"sha256\": \"\", \"bytes\": 0}, \"engine.xml\"";
        edited("{\"engine.xml\"", entry.c_str(), "lies outside");
        edited("\"tokenizer\": null", (std::string("\"tokenizer\": \"") + name + '"').c_str(),
               "lies outside");
    }
    const ToyBundle toy, other;
    fs::remove(toy.path / "engine.bin");
    fs::create_symlink(other.path / "engine.bin", toy.path / "engine.bin");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "lies outside");
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
    CHECK_REFUSED(ltp::read_bundle(toy.path), "is incomplete: engine.bin is missing");
}

void damaged_manifest() {
    ToyBundle toy;
    toy.put("manifest.json", "{}");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "manifest.json\" was edited or damaged");
    fs::remove(toy.path / "manifest.sha256");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "manifest.json\" was edited or damaged");
    fs::remove(toy.path / "manifest.json");
    CHECK_REFUSED(ltp::read_bundle(toy.path), "it has no manifest.json");
    CHECK_REFUSED(ltp::read_bundle(toy.path / "nowhere"), "it has no manifest.json");
}

void openvino_versions() {
    ltp::Bundle bundle{};
    bundle.openvino.version = "2026.4.1";
    ltp::check_openvino(bundle, "2026.4.1-22982-e213a147257-releases/2026/4");
    ltp::check_openvino(bundle, "2026.4.1");
    for (const char* other : {"2026.4.10-1-x", "2026.4.0-22982-x", "2026.4", "2025.4.1-1-x", ""})
        CHECK_REFUSED(ltp::check_openvino(bundle, other), "was built with OpenVINO 2026.4.1");
}

}  // namespace

int main() {
    valid();
    valid_for_tensorrt();
    manifests();
    platforms();
    outside();
    files();
    damaged_manifest();
    openvino_versions();
    return test::report("bundle");
}
