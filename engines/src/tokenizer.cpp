#include "tokenizer.h"

#include <algorithm>

#include "characters.h"
#include "infer.h"
#include "openvino_model.h"
#include "pool.h"
#include "text.h"

namespace ltp {
namespace {

/// One model, for single texts or for pairs. Its outputs are int32: `input_ids` and
/// `token_type_ids` hold those of text i from begins[i] to ends[i].
class Reader {
public:
    Reader(ov::Core& core, const Ir& ir, const ov::AnyMap& settings)
        : weights_(ir.weights),
          compiled_(core.compile_model(read_model(core, *ir.model, *ir.weights), "CPU", settings)),
          requests_(create_requests()) {}

    /// Puts what becomes of the texts of these numbers at the same numbers of the other vectors.
    void read(const std::vector<Text>& texts, const std::vector<std::size_t>& numbers,
              std::vector<std::vector<std::int32_t>>& ids,
              std::vector<std::vector<std::int32_t>>& types, std::vector<bool>& truncated) {
        std::vector<std::string> columns[2];
        for (const std::size_t i : numbers) {
            columns[0].push_back(texts[i].first);
            if (texts[i].second) columns[1].push_back(*texts[i].second);
        }
        Pool<ov::InferRequest>::Lease request(requests_);
        for (std::size_t i = 0; i < compiled_.inputs().size(); ++i)
            request->set_input_tensor(
                i, ov::Tensor(ov::element::string, {numbers.size()}, columns[i].data()));
        infer(*request);
        const auto values = [&](const char* name, std::size_t least) {
            const ov::Tensor tensor = request->get_tensor(name);
            if (tensor.get_size() < least)
                throw Error(text("the tokenizer's `", name, "` has ", tensor.get_size(),
                                 " values, and ", least, " are needed; rebuild the bundle"));
            return tensor.data<const std::int32_t>();
        };
        const std::size_t count = numbers.size();
        const auto *begins = values("begins", count), *ends = values("ends", count),
                   *cut = values("truncated", count);
        const std::int32_t last = *std::max_element(ends, ends + count);
        const auto *id = values("input_ids", last), *type = values("token_type_ids", last);
        for (std::size_t i = 0; i < count; ++i) {
            if (begins[i] < 0 || begins[i] > ends[i])
                throw Error(text("the tokenizer's text ", numbers[i], " goes from ", begins[i],
                                 " to ", ends[i], "; rebuild the bundle"));
            ids[numbers[i]].assign(id + begins[i], id + ends[i]);
            types[numbers[i]].assign(type + begins[i], type + ends[i]);
            truncated[numbers[i]] = cut[i] != 0;
        }
    }

private:
    std::vector<ov::InferRequest> create_requests() {
        std::vector<ov::InferRequest> requests(
            compiled_.get_property(ov::optimal_number_of_infer_requests));
        for (auto& request : requests) request = compiled_.create_infer_request();
        return requests;
    }

    const BundleFile weights_;  // which the model reads where they lie
    ov::CompiledModel compiled_;
    Pool<ov::InferRequest> requests_;
};

void add_library(ov::Core& core, const std::filesystem::path& library) try {
    core.add_extension(std::filesystem::absolute(library));
} catch (const std::exception& error) {
    const std::string release = ov::get_openvino_version().buildNumber;
    throw Error(text("openvino-tokenizers cannot be loaded from ", library, "; it must be of the ",
                     "release of OpenVINO, ", release.substr(0, release.find('-')), ": ",
                     error.what()));
}

/// Members are destroyed in reverse: the library's code, which `core_` holds, goes last.
class OpenVinoTokenizer : public Tokenizer {
public:
    OpenVinoTokenizer(const TextParts& parts, const Options& options)
        : refused_(*parts.refused), token_types_(parts.token_types) {
        add_library(core_, options.tokenizers_library);
        const ov::AnyMap settings = performance_settings(options);
        singles_ = std::make_unique<Reader>(core_, parts.texts, settings);
        if (parts.pairs.model) pairs_ = std::make_unique<Reader>(core_, parts.pairs, settings);
    }

    Tokenized tokenize(const std::vector<Text>& texts) override {
        std::vector<std::size_t> singles, pairs;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            refused_.check(texts[i].first, i);
            if (texts[i].second) refused_.check(*texts[i].second, i);
            if (texts[i].second && !pairs_)
                throw InputError(
                    "it is a pair, which openvino-tokenizers reads otherwise than "
                    "this model's tokenizer; pass token ids",
                    i);
            (texts[i].second ? pairs : singles).push_back(i);
        }
        std::vector<std::vector<std::int32_t>> ids(texts.size()), types(texts.size());
        std::vector<bool> truncated(texts.size());
        if (!singles.empty()) singles_->read(texts, singles, ids, types, truncated);
        if (!pairs.empty()) pairs_->read(texts, pairs, ids, types, truncated);
        if (!token_types_) types.clear();
        return {pack(ids, types), std::move(truncated)};
    }

private:
    const RefusedCharacters refused_;
    const bool token_types_;
    ov::Core core_;
    std::unique_ptr<Reader> singles_, pairs_;
};

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer(const Bundle& bundle, const Options& options) {
    if (!bundle.texts.texts.model)
        throw Error(text(bundle.directory, " has no tokenizer for C++; build it with --cpp-texts, ",
                         "or pass token ids"));
    return std::make_unique<OpenVinoTokenizer>(bundle.texts, options);
}

}  // namespace ltp
