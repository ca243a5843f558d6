/// Runs ltp-deploy bundles in C++17: on CPUs through OpenVINO, on NVIDIA GPUs through TensorRT.
///
///     ltp::Engine engine("sst2-bundle");
///     ltp::Result result = engine.run(ltp::pack({{101, 2307, 2143, 102}, {101, 6659, 102}}));
///     for (std::size_t i = 0; i < result.size(); ++i) use(result[i], result.num_labels);
///
/// Sequences are packed: the tokens of all sequences stand one after another, without padding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ltp {

/// A bundle or a setting that cannot be used: what was wrong, what was found, what to do.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A request that an engine refuses. The engine stays usable.
class InputError : public Error {
public:
    static constexpr std::size_t whole_batch = static_cast<std::size_t>(-1);

    explicit InputError(const std::string& reason, std::size_t sequence = whole_batch);

    std::string reason;    ///< what() without the "sequence 3: " before it
    std::size_t sequence;  ///< index of the refused sequence, or `whole_batch`
};

enum class Performance {
    Latency,     ///< one request at a time on all threads: the fastest answer
    Throughput,  ///< several requests side by side; worth it only when several threads call run().
                 ///< On a GPU two, each with its own memory.
};

struct Options {
    /// CPU threads, which the system may run on any core; 0 leaves both to OpenVINO, which may bind
    /// them to cores. TensorRT: 0, or Error
    int threads = 0;
    Performance performance = Performance::Latency;
    /// Multiplies the thresholds of all layers, and the shares that top-k layers prune; 0: nothing
    /// is pruned. TensorRT: 1, or Error
    double pruning = 1;
    /// `libopenvino_tokenizers.so` of openvino-tokenizers in the release of OpenVINO, for texts.
    /// With it the bundle must be built with `--cpp-texts`. Empty: the engine takes token ids
    /// alone.
    std::filesystem::path tokenizers_library{};
};

/// What a bundle says about itself.
struct Info {
    std::string target;     ///< as given to `ltp-deploy build --target`
    std::string precision;  ///< "f32", "bf16", "int8-dynamic", "fp16", ...
    /// "classification", "regression", "multi_label", "ranking" or "embedding"
    std::string head;
    std::vector<std::string> labels;  ///< names of the labels, empty where the model has none
    int num_labels;
    int max_length;       ///< longest sequence, in tokens
    int vocab_size;       ///< token ids are 0 .. vocab_size - 1
    int type_vocab_size;  ///< token types are 0 .. type_vocab_size - 1 (if 0: only 0)
    int pad_token_id;
    int max_tokens = 0;  ///< most tokens in one batch; 0: as many as memory holds
    int max_batch = 0;   ///< most sequences in one batch; 0: as many as memory holds
    /// Of a multi-label model: for each label the probability above which it holds; empty: a half
    /// for each.
    std::vector<double> label_thresholds{};

    /// Numbers of the labels that the `num_labels` logits of one sequence mean: the class with the
    /// largest; of a multi-label model all whose probability is above their threshold, possibly
    /// none; none of other models.
    std::vector<std::size_t> predicted(const float* logits) const;
};

/// B sequences with T tokens in all.
struct Batch {
    std::vector<std::int32_t> input_ids;       ///< [T] token ids, special tokens included
    std::vector<std::int32_t> offsets;         ///< [B + 1] 0, end of sequence 0, ..., T
    std::vector<std::int32_t> token_type_ids;  ///< [T], or empty: all 0
};

/// Packs one vector of token ids per sequence; `token_types`, if not empty, has the same shape.
/// Throws InputError when the shapes differ.
Batch pack(const std::vector<std::vector<std::int32_t>>& sequences,
           const std::vector<std::vector<std::int32_t>>& token_types = {});

/// A text, or a pair of texts, in UTF-8.
struct Text {
    Text(const char* text) : first(text) {}
    Text(std::string text) : first(std::move(text)) {}
    Text(std::string one, std::string other) : first(std::move(one)), second(std::move(other)) {}

    std::string first;
    std::optional<std::string> second;
};

/// What a bundle's tokenizer made of B texts.
struct Tokenized {
    Batch batch;
    std::vector<bool> truncated;  ///< [B] which have more tokens than the engine takes
};

/// Logits, float32 [B, num_labels].
struct Result {
    std::vector<float> logits;
    std::size_t num_labels;

    std::size_t size() const { return logits.size() / num_labels; }
    /// The `num_labels` logits of one sequence.
    const float* operator[](std::size_t sequence) const { return &logits[sequence * num_labels]; }
    /// Index of the largest logit of one sequence.
    std::size_t best(std::size_t sequence) const;
};

/// A loaded bundle. On a machine with several GPUs it uses the first that CUDA shows, which
/// CUDA_VISIBLE_DEVICES can change.
///
/// Every member may be called from several threads at once. oneDNN reads ONEDNN_MAX_CPU_ISA once,
/// when the first engine of a process is loaded, and all engines share it; where it rules bf16 out,
/// bf16 bundles compute in f32.
///
/// A process that is forked has none of an engine's threads: load the bundle in each process.
/// There `run` and `tokenize` throw Error; on an engine that was moved from everything does.
class Engine {
public:
    /// Checks the hashes of all files, the platform, the version of OpenVINO or TensorRT, and the
    /// GPU, then loads. TensorRT is opened at run time, from LD_LIBRARY_PATH or the system's
    /// library folders. Weights are read where the files are mapped; whoever writes to them waits
    /// until a copy has taken their place, so that answers stay the same. Throws Error.
    explicit Engine(const std::filesystem::path& bundle, const Options& options = {});
    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    ~Engine();

    /// Throws InputError for a batch or sequence that is empty, too large, outside the vocabulary
    /// or inconsistent, and Error when OpenVINO or TensorRT fails.
    Result run(const Batch& batch) const;

    /// Token ids of texts, as the Python runtime has them. Throws Error where Options named no
    /// library for it, and InputError for a text that is not UTF-8 or holds one of the few
    /// characters that the library reads otherwise.
    ///
    ///     ltp::Result result = engine.run(engine.tokenize({"a gripping film", "dull"}).batch);
    Tokenized tokenize(const std::vector<Text>& texts) const;

    const Info& info() const;

private:
    struct Impl;
    struct Release {
        void operator()(Impl* impl) const;
    };
    std::unique_ptr<Impl, Release> impl_;
};

}  // namespace ltp
