// Classifies two sequences with a bundle: classify BUNDLE
#include <ltp/engine.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) try {
    if (argc != 2) throw ltp::Error("usage: classify BUNDLE");
    const ltp::Engine engine(argv[1]);

    // "a great movie" and "it was boring" with BERT's vocabulary, [CLS] first and [SEP] last.
    const ltp::Batch batch =
        ltp::pack({{101, 1037, 2307, 3185, 102}, {101, 2009, 2001, 11771, 102}});
    const ltp::Result result = engine.run(batch);

    const ltp::Info& info = engine.info();
    for (std::size_t i = 0; i < result.size(); ++i) {
        std::printf("sequence %zu:", i);
        for (const std::size_t label : info.predicted(result[i])) {
            const std::string name =
                info.labels.empty() ? std::to_string(label) : info.labels[label];
            std::printf(" class %s,", name.c_str());
        }
        std::printf(" logits");
        for (std::size_t j = 0; j < result.num_labels; ++j) std::printf(" %.6g", result[i][j]);
        std::printf("\n");
    }
} catch (const ltp::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
