// ltp-run: logits for lines of token ids, or of text.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "ltp/engine.h"

namespace {

using Ids = std::vector<std::int32_t>;

Ids parse_ids(std::string_view list) {
    static constexpr std::string_view separators = " \t\r,";
    Ids ids;
    while (true) {
        list.remove_prefix(std::min(list.find_first_not_of(separators), list.size()));
        if (list.empty()) return ids;
        const std::string_view word = list.substr(0, list.find_first_of(separators));
        const auto [end, error] =
            std::from_chars(word.data(), word.data() + word.size(), ids.emplace_back());
        if (error != std::errc() || end != word.data() + word.size())
            throw ltp::InputError("'" + std::string(word) + "' is not a token id");
        list.remove_prefix(word.size());
    }
}

/// Collects lines, and runs and prints them when a batch is full.
class Runner {
public:
    explicit Runner(const Arguments& arguments)
        : arguments_(arguments), engine_(arguments.bundle, arguments.engine) {
        const ltp::Info& info = engine_.info();
        const bool classes = info.head == "classification" || info.head == "multi_label";
        if (arguments.labels && (info.labels.empty() || !classes))
            throw Failure{"the bundle names no labels; leave out --labels"};
    }

    void add(std::string_view line) {
        ++lines_;
        try {
            arguments_.text ? add_text(line) : add_ids(line);
        } catch (const ltp::InputError& error) {
            fail(lines_, error.reason);
        }
        if (++waiting_ == arguments_.batch) run();
    }

    void run() {
        if (waiting_ == 0) return;
        const std::size_t first = lines_ - waiting_ + 1;
        try {
            print(engine_.run(arguments_.text ? tokenized(first) : ltp::pack(sequences_, types_)));
        } catch (const ltp::InputError& error) {
            if (error.sequence == error.whole_batch) throw;
            fail(first + error.sequence, error.reason);
        }
        texts_.clear();
        sequences_.clear();
        types_.clear();
        waiting_ = 0;
    }

private:
    void add_ids(std::string_view line) {
        const std::size_t bar = line.find('|');
        sequences_.push_back(parse_ids(line.substr(0, bar)));
        types_.push_back(bar == line.npos ? Ids(sequences_.back().size())
                                          : parse_ids(line.substr(bar + 1)));
    }

    void add_text(std::string_view line) {
        static constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (lines_ == 1 && line.substr(0, 3) == byte_order_mark) line.remove_prefix(3);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        const std::size_t tab = line.find('\t');
        std::string one(line.substr(0, tab));
        if (tab == line.npos) {
            texts_.emplace_back(std::move(one));
            return;
        }
        std::string other(line.substr(tab + 1));
        if (other.find('\t') != other.npos)
            throw ltp::InputError(
                "it has several tabs; a line is a text, or two with one tab between them");
        texts_.emplace_back(std::move(one), std::move(other));
    }

    /// The texts that wait, the first of which is that line.
    ltp::Batch tokenized(std::size_t first) const {
        ltp::Tokenized found = engine_.tokenize(texts_);
        for (std::size_t i = 0; i < found.truncated.size(); ++i)
            if (found.truncated[i])
                std::cerr << "ltp-run: line " << first + i
                          << " has more tokens than the engine takes and was cut\n";
        return std::move(found.batch);
    }

    [[noreturn]] static void fail(std::size_t line, const std::string& reason) {
        throw Failure{"line " + std::to_string(line) + ": " + reason};
    }

    std::string names(const float* logits) const {
        std::string list;
        for (const std::size_t label : engine_.info().predicted(logits))
            list += (list.empty() ? "" : ",") + engine_.info().labels[label];
        return list;
    }

    void print(const ltp::Result& result) const {
        for (std::size_t i = 0; i < result.size(); ++i) {
            if (arguments_.labels) std::printf("%s\t", names(result[i]).c_str());
            for (std::size_t j = 0; j < result.num_labels; ++j)
                std::printf(j == 0 ? "%.9g" : " %.9g", result[i][j]);
            std::printf("\n");
        }
    }

    const Arguments& arguments_;
    ltp::Engine engine_;
    std::vector<ltp::Text> texts_;
    std::vector<Ids> sequences_, types_;
    std::size_t lines_ = 0, waiting_ = 0;
};

void run(const Arguments& arguments) {
    std::ifstream file;
    if (!arguments.file.empty()) file.open(arguments.file);
    std::istream& in = arguments.file.empty() ? std::cin : file;
    if (!in) throw Failure{arguments.file + " cannot be opened"};
    Runner runner(arguments);
    for (std::string line; std::getline(in, line);) runner.add(line);
    if (in.bad()) throw Failure{"the input cannot be read"};
    runner.run();
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
        throw Failure{"the output cannot be written"};
}

}  // namespace

int main(int argc, char** argv) try {
    run(parse_arguments(argc, argv));
} catch (const Failure& failure) {
    std::cerr << "ltp-run: " << failure.message << '\n';
    return 1;
} catch (const std::exception& error) {
    std::cerr << "ltp-run: " << error.what() << '\n';
    return 1;
}
