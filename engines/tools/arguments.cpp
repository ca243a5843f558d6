#include "arguments.h"

#include <getopt.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

constexpr const char* library_variable = "LTP_OPENVINO_TOKENIZERS";

constexpr const char* usage = R"(Usage: ltp-run [options] BUNDLE [FILE]

Reads one sequence of token ids per line from FILE or standard input, and prints
its logits, one line each. Ids are separated by spaces, tabs or commas and include
the special tokens ([CLS] ... [SEP]). Token types may follow after a '|':

    101 2307 2143 102 2009 2001 102 | 0 0 0 0 1 1 1

With --text a line is a text in UTF-8, or two texts with a tab between them. Texts
that are too long are cut, which is said on standard error.

  --batch N     sequences per request (default 32)
  --threads N   CPU threads (default: OpenVINO's choice)
  --pruning F   multiply the thresholds by F; 0: nothing is pruned (default 1)
  --labels      print the name of the likeliest class and a tab before the logits;
                of a multi-label model all labels that hold, with commas between them
  --text        read texts, of a bundle that was built with --cpp-texts
  --tokenizers FILE
                libopenvino_tokenizers.so, which --text needs, in the release of
                OpenVINO (default: the environment variable LTP_OPENVINO_TOKENIZERS)
  --help        print this text
)";

int positive(const char* option, std::string_view value) {
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 1)
        throw Failure{std::string(option) + " takes a positive number, not '" + std::string(value) +
                      "'"};
    return number;
}

double factor(const char* option, std::string_view value) {
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || !(number >= 0) ||
        !std::isfinite(number))
        throw Failure{std::string(option) + " takes a factor from 0 on, not '" +
                      std::string(value) + "'"};
    return number;
}

}  // namespace

Arguments parse_arguments(int argc, char** argv) {
    static const option options[] = {{"batch", required_argument, nullptr, 'b'},
                                     {"threads", required_argument, nullptr, 't'},
                                     {"pruning", required_argument, nullptr, 'p'},
                                     {"labels", no_argument, nullptr, 'l'},
                                     {"text", no_argument, nullptr, 'x'},
                                     {"tokenizers", required_argument, nullptr, 'o'},
                                     {"help", no_argument, nullptr, 'h'},
                                     {}};
    Arguments arguments;
    for (int c; (c = getopt_long(argc, argv, "h", options, nullptr)) != -1;) switch (c) {
            case 'b': arguments.batch = positive("--batch", optarg); break;
            case 't': arguments.engine.threads = positive("--threads", optarg); break;
            case 'p': arguments.engine.pruning = factor("--pruning", optarg); break;
            case 'l': arguments.labels = true; break;
            case 'x': arguments.text = true; break;
            case 'o': arguments.engine.tokenizers_library = optarg; break;
            case 'h': std::cout << usage; std::exit(0);
            default: throw Failure{"see ltp-run --help"};  // getopt has named the option
        }
    ltp::Options& engine = arguments.engine;
    if (!arguments.text && !engine.tokenizers_library.empty())
        throw Failure{"--tokenizers is for --text"};
    if (const char* set = std::getenv(library_variable);
        arguments.text && engine.tokenizers_library.empty()) {
        if (!set || !*set)
            throw Failure{std::string("--text needs the library of openvino-tokenizers: give "
                                      "--tokenizers FILE, or set ") +
                          library_variable};
        engine.tokenizers_library = set;
    }
    if (argc - optind < 1 || argc - optind > 2)
        throw Failure{"one BUNDLE and at most one FILE are needed; see ltp-run --help"};
    arguments.bundle = argv[optind];
    if (argc - optind == 2) arguments.file = argv[optind + 1];
    return arguments;
}
