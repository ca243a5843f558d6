#include "ltp/engine.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "backend.h"
#include "batch.h"
#include "bundle.h"
#include "text.h"
#include "tokenizer.h"

namespace ltp {
namespace {

std::unique_ptr<Backend> open_backend(const Bundle& bundle, const Options& options) {
    if (!(options.pruning >= 0 && std::isfinite(options.pruning)))
        throw Error(text("pruning ", options.pruning, "; give 0 or a larger factor"));
    if (options.pruning != 1 && bundle.backend == "tensorrt")
        throw Error(text(bundle.directory,
                         " runs in TensorRT, whose engines have their thresholds ",
                         "compiled in, so pruning ", options.pruning, " needs another build"));
    return bundle.backend == "tensorrt" ? open_tensorrt(bundle, options)
                                        : open_openvino(bundle, options);
}

/// What `action` returns; whatever else fails inside becomes an Error.
template <typename Action>
auto with_errors(const char* failed, Action action) {
    try {
        return action();
    } catch (const Error&) {
        throw;
    } catch (const std::exception& error) {
        throw Error(text(failed, ": ", error.what()));
    }
}

}  // namespace

std::vector<std::size_t> Info::predicted(const float* logits) const {
    std::vector<std::size_t> found;
    if (head == "classification")
        found.push_back(std::max_element(logits, logits + num_labels) - logits);
    else if (head == "multi_label")
        for (int i = 0; i < num_labels; ++i) {
            // Of a half exactly 0. In logits, so that no probability's rounding decides.
            const double threshold = label_thresholds.empty() ? 0.5 : label_thresholds[i];
            if (logits[i] > std::log(threshold / (1 - threshold))) found.push_back(i);
        }
    return found;
}

std::size_t Result::best(std::size_t sequence) const {
    const float* row = (*this)[sequence];
    return std::max_element(row, row + num_labels) - row;
}

struct Engine::Impl {
    Impl(const std::filesystem::path& path, const Options& options)
        : bundle(read_bundle(path)), backend(open_backend(bundle, options)) {
        if (!options.tokenizers_library.empty()) tokenizer = open_tokenizer(bundle, options);
        // One token: with it weights are packed, kernels compiled, so that no user waits for that.
        backend->infer({{0}, {0, 1}, {}});
    }

    /// Throws Error where there is none.
    static Impl& of(const std::unique_ptr<Impl, Release>& impl) {
        if (!impl) throw Error("the engine was moved from; use the one that it was moved to");
        return *impl;
    }

    /// The same, where it may compute.
    static Impl& running(const std::unique_ptr<Impl, Release>& impl) {
        if (!of(impl).in_this_process())
            throw Error(text(impl->bundle.directory, ": the process was forked after the engine ",
                             "was loaded, and its threads are in the parent; load the bundle in ",
                             "each process"));
        return *impl;
    }

    bool in_this_process() const { return process == getpid(); }

    const pid_t process = getpid();
    const Bundle bundle;
    const std::unique_ptr<Backend> backend;
    std::unique_ptr<Tokenizer> tokenizer;
};

Engine::Engine(const std::filesystem::path& bundle, const Options& options)
    : impl_(with_errors("the bundle cannot be loaded", [&] { return new Impl(bundle, options); })) {
}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

// In a forked process OpenVINO would wait for threads that are in the parent, for ever.
void Engine::Release::operator()(Impl* impl) const {
    if (impl->in_this_process()) delete impl;
}

const Info& Engine::info() const { return Impl::of(impl_).bundle.info; }

Tokenized Engine::tokenize(const std::vector<Text>& texts) const {
    Impl& impl = Impl::running(impl_);
    if (!impl.tokenizer)
        throw Error(
            "texts need the library of openvino-tokenizers: set Options::tokenizers_library to its "
            "path, or pass token ids");
    return with_errors("the tokenizer failed", [&] { return impl.tokenizer->tokenize(texts); });
}

Result Engine::run(const Batch& batch) const {
    Impl& impl = Impl::running(impl_);
    check_batch(batch, impl.bundle.info);
    return with_errors("the engine failed", [&] { return impl.backend->infer(batch); });
}

}  // namespace ltp
