#include "manifest.h"

#include <cstdint>
#include <limits>

#include "schema.h"
#include "text.h"

namespace ltp {
namespace {

using json::Value;

constexpr const char* schema_document =
#include "manifest_schema.inc"
    ;
constexpr std::int64_t any_integer = std::numeric_limits<std::int64_t>::max();

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
    throw json::Error(text(parts...));
}

/// What the types alone do not say follows, as the dataclasses in Python have it in
/// `__post_init__`.

void check_options(const Value& options) {
    for (const char* key : {"usual_batch", "max_tokens", "max_batch", "max_length"})
        if (const Value count = options[key]; !count.is_null()) count.number(1);
    for (const Value& layer : options["not_int8"].array()) layer.integer(0, any_integer);
}

void check_policy(const Value& policy) {
    if (const Value length = policy["score_length"]; !length.is_string())
        length.integer(1, any_integer);
    for (const Value& rule : policy["layers"].array())
        if (const double rate = rule["threshold"].real();
            rule["mode"].string() == "topk" && !(rate >= 0 && rate <= 1))
            refuse('`', rule.name(), "`: the keep rate must lie in 0..1, found ", rate);
}

void check_embedding(const Value& embedding, const Value& policy) {
    if (embedding.is_null()) return;
    const std::string& pooling = embedding["pooling"].one_of({"first", "frozen", "survivors"});
    if (pooling != "first" && policy["first_token"].string() != "keep")
        refuse("a mean over tokens needs a policy that keeps the first one");
    const Value prompt = embedding["default_prompt"];
    if (!prompt.is_null() && !embedding["prompts"].has(prompt.string()))
        refuse("the default prompt ", prompt.string(), " is none of the prompts");
}

void check_labels(const Value& model) {
    const auto outputs = static_cast<std::size_t>(model["num_labels"].number(1));
    const auto labels = model["labels"].array(), thresholds = model["label_thresholds"].array();
    if (!labels.empty() && labels.size() != outputs)
        refuse(labels.size(), " labels for ", outputs, " outputs");
    if (thresholds.empty()) return;
    if (model["head"].string() != "multi_label")
        refuse("thresholds of labels, and the head is ", model["head"].string());
    if (thresholds.size() != outputs)
        refuse(thresholds.size(), " thresholds of labels for ", outputs, " outputs");
    for (const Value& threshold : thresholds)
        if (const double found = threshold.real(); !(found > 0 && found < 1))
            refuse("a label's threshold must lie between 0 and 1, found ", found);
}

void check_model(const Value& model) {
    for (const char* size : {"layers", "hidden_size", "heads", "intermediate_size", "vocab_size",
                             "position_rows", "num_labels", "embedding_size"})
        model[size].number(1);
    model["type_vocab_size"].number(0);
    model["answer_activation"].one_of({"none", "sigmoid", "tanh"});
    model["head"].one_of({"classification", "regression", "multi_label", "ranking", "embedding"});
    if (const int size = model["hidden_size"].number(1), heads = model["heads"].number(1);
        size % heads != 0)
        refuse("hidden size ", size, " is no multiple of ", heads, " heads");
    const Value policy = model["policy"], pad = model["pad_token_id"];
    check_policy(policy);
    check_embedding(model["embedding"], policy);
    check_labels(model);
    if (pad.number(0) >= model["vocab_size"].number(1))
        refuse("pad_token_id ", pad.number(0), " is no token");
    const int rows = model["position_rows"].number(1), start = model["position_start"].number(0);
    if (start >= rows) refuse("position_start ", start, " is none of ", rows, " positions");
    if (model["max_length"].integer() != rows - start)
        refuse("`model.max_length` must be ", rows - start);
}

void check_limits(const Value& limits, const Value& model) {
    limits["max_tokens"].number(0);
    limits["max_batch"].number(0);
    if (const int length = limits["max_length"].number(1), most = model["max_length"].number(1);
        length > most)
        refuse("a limit of ", length, " tokens, and the model takes ", most);
}

/// An array with an entry for each layer.
void check_layers(const Value& array, const Value& model) {
    const auto layers = static_cast<std::size_t>(model["layers"].number(1));
    if (const std::size_t found = array.array().size(); found != layers)
        refuse('`', array.name(), "` has ", found, " entries for ", layers, " layers");
}

}  // namespace

NamedFiles check_manifest(const Value& manifest) {
    static const Schema schema(schema_document);
    NamedFiles named;
    schema.check(manifest, [&](const std::string& format, const Value& name) {
        (format == "folder" ? named.folders : named.files).push_back(name.string());
    });
    const std::vector<std::string> precisions{"f32", "bf16", "fp16", "int8-dynamic", "int8"};
    for (const char* key : {"precision", "activations"}) manifest[key].one_of(precisions);
    for (const Value& input : manifest["inputs"].array())
        input.one_of({"input_ids", "position_ids", "token_type_ids", "offsets"});
    const Value model = manifest["model"], profile = manifest["profile"];
    check_options(manifest["options"]);
    check_model(model);
    check_limits(manifest["limits"], model);
    check_layers(model["policy"]["layers"], model);
    check_layers(manifest["plan"]["layers"], model);
    if (!profile.is_null()) {
        profile["sequences"].integer(1, any_integer);
        for (const char* key : {"kept", "deviation"}) check_layers(profile[key], model);
    }
    for (const auto& [name, file] : manifest["files"].members())
        file["bytes"].integer(0, any_integer);
    return named;
}

}  // namespace ltp
