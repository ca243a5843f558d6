// Texts through a toy tokenizer. The first argument is an extension of OpenVINO.
#include <thread>

#include "refused.h"
#include "toy_bundle.h"

namespace {

using Ids = std::vector<std::int32_t>;

void texts(const ltp::Engine& engine) {
    const ltp::Tokenized found = engine.tokenize({"a", {"left out", "bc"}, "defg", "", "ab"});
    CHECK(found.batch.input_ids == Ids({'a', 'b', 'c', 'd', 'e', 'f', 'a', 'b'}), "ids");
    CHECK(found.batch.offsets == Ids({0, 1, 3, 6, 6, 8}), "offsets");
    CHECK(found.batch.token_type_ids == Ids({0, 1, 1, 0, 0, 0, 0, 0}), "types");
    CHECK(found.truncated == std::vector<bool>({false, false, true, false, false}), "truncated");
    CHECK(engine.tokenize({}).batch.offsets == Ids({0}), "no texts");
    CHECK_REFUSED(engine.run(engine.tokenize({}).batch), "the batch is empty");

    const ltp::Result result = engine.run(engine.tokenize({{"", "\x02\x03"}, "\x05"}).batch);
    CHECK(result.logits == std::vector<float>({5, 5, 2, 5, 2, 0}), result[0][0], result[1][0]);
}

void refusals(const ltp::Engine& engine) {
    CHECK_REFUSED(engine.tokenize({"a", "b\xE9"}), "sequence 1: byte 1 begins no character");
    CHECK_REFUSED(engine.tokenize({{"a", "\xCF\x82"}}), "sequence 0: byte 0 begins the character");
    CHECK_REFUSED(engine.tokenize({{"\xCF\x82", "a"}}), "U+03C2, which openvino-tokenizers reads");
}

void many_threads(const ltp::Engine& engine) {
    std::vector<std::thread> threads;
    std::vector<int> wrong(8);
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            const std::string own(1 + t % 3, static_cast<char>('a' + t));
            for (int i = 0; i < 50; ++i) {
                const ltp::Tokenized found = engine.tokenize({own, {own, own}});
                wrong[t] += found.batch.input_ids != Ids(2 * own.size(), own[0]);
            }
        });
    for (auto& thread : threads) thread.join();
    for (const int count : wrong) CHECK(count == 0, "texts got mixed up");
}

void without(const std::filesystem::path& library) {
    test::ToyBundle toy;
    toy.make_engine();
    CHECK_REFUSED(ltp::Engine(toy.path).tokenize({"a"}), "set Options::tokenizers_library");
    ltp::Options options;
    options.tokenizers_library = library;
    CHECK_REFUSED(ltp::Engine(toy.path, options), "build it with --cpp-texts, or pass token ids");
    toy.make_texts();
    CHECK_REFUSED(ltp::Engine(toy.path).tokenize({"a"}), "set Options::tokenizers_library");

    options.tokenizers_library = toy.path / "nowhere.so";
    CHECK_REFUSED(ltp::Engine(toy.path, options), "openvino-tokenizers cannot be loaded from");
    options.tokenizers_library = toy.path / "engine.xml";
    CHECK_REFUSED(ltp::Engine(toy.path, options), "it must be of the release of OpenVINO, 20");

    options.tokenizers_library = library;
    toy.replace("\"token_types\": true", "\"token_types\": false");
    CHECK(ltp::Engine(toy.path, options).tokenize({{"a", "b"}}).batch.token_type_ids.empty(),
          "types of a model that has none");
    toy.replace(R"({"file": "cpp_texts/pairs.xml", "weights": "cpp_texts/pairs.bin"})", "null");
    const ltp::Engine singles(toy.path, options);
    CHECK(singles.tokenize({"a"}).batch.input_ids == Ids({'a'}), "a single text");
    CHECK_REFUSED(singles.tokenize({"a", {"a", "b"}}), "sequence 1: it is a pair, which");
    toy.put("cpp_texts/refused.txt", "3c1 3c2\n4e00 4eff\n");
    CHECK_REFUSED(ltp::Engine(toy.path, options), "refused.txt\" was edited or damaged");
}

void changed_files(const std::filesystem::path& library) {
    test::ToyBundle toy;
    toy.make_engine();
    toy.make_texts();
    ltp::Options options;
    options.tokenizers_library = library;
    const ltp::Engine engine(toy.path, options);
    for (const auto& file : std::filesystem::directory_iterator(toy.path / "cpp_texts"))
        std::filesystem::resize_file(file, 0);
    texts(engine);
    refusals(engine);
}

}  // namespace

int main(int, char** argv) {
    test::ToyBundle toy;
    toy.make_engine();
    toy.make_texts();
    ltp::Options options;
    options.tokenizers_library = argv[1];
    const ltp::Engine engine(toy.path, options);
    texts(engine);
    refusals(engine);
    many_threads(engine);
    options.performance = ltp::Performance::Throughput;
    options.threads = 2;
    many_threads(ltp::Engine(toy.path, options));
    without(argv[1]);
    changed_files(argv[1]);
    return test::report("tokenizer");
}
