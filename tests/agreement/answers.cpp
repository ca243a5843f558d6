// What the C++ code answers to questions that the Python code answers as well. A question is a line
// of words, numbers as strtof reads them; its answer is a line. See conftest.py.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <sstream>

#include "bundle.h"
#include "common/survivors.h"
#include "digests.h"
#include "inputs.h"
#include "json.h"
#include "pruning.h"

namespace {

using Words = std::istringstream;

float number(Words& in) {
    std::string word;
    in >> word;
    return std::strtof(word.c_str(), nullptr);
}

template <class T>
std::vector<T> list(Words& in) {
    std::vector<T> values(static_cast<std::size_t>(number(in)));
    for (T& value : values) value = static_cast<T>(number(in));
    return values;
}

/// Mode, threshold, score length, whether the first token is kept.
ltp::PruningRule rule(Words& in) {
    const auto mode = static_cast<ltp::Mode>(number(in));
    const float threshold = number(in);
    const int score_length = static_cast<int>(number(in));
    return {mode, threshold, score_length, number(in) != 0};
}

bool prunes(Words& in) { return ltp::prunes(rule(in)); }

/// Of a rule, heads, the original length, and the scores: one digit for each.
std::string survivors(Words& in) {
    const ltp::PruningRule the_rule = rule(in);
    const int heads = static_cast<int>(number(in)), length = static_cast<int>(number(in));
    const auto scores = list<float>(in);
    std::vector<std::uint8_t> survives(scores.size());
    ltp::select_survivors(the_rule, heads, length, scores.data(), static_cast<int>(scores.size()),
                          survives.data());
    std::string digits;
    for (const int one : survives) digits += std::to_string(one);
    return digits;
}

/// Of position_start, padding_skips, pad_token_id, the sequences' lengths, and all token ids.
std::string positions(Words& in) {
    ltp::Bundle bundle{};
    bundle.position_start = static_cast<int>(number(in));
    bundle.padding_skips = number(in) != 0;
    bundle.info.pad_token_id = static_cast<int>(number(in));
    ltp::Batch batch;
    const auto lengths = list<std::int32_t>(in);
    batch.offsets.push_back(0);
    std::partial_sum(lengths.begin(), lengths.end(), std::back_inserter(batch.offsets));
    batch.input_ids = list<std::int32_t>(in);
    std::string ids;
    for (const std::int32_t id : ltp::position_ids(batch, bundle)) ids += std::to_string(id) + ' ';
    return ids;
}

/// Of a mode's name, a threshold and a factor: all 17 digits of the scaled threshold.
std::string scaled(Words& in) {
    std::string mode, threshold, factor;
    in >> mode >> threshold >> factor;
    std::ostringstream out;
    out.precision(17);
    out << ltp::scaled_threshold(mode, std::strtod(threshold.c_str(), nullptr),
                                 std::strtod(factor.c_str(), nullptr));
    return out.str();
}

/// Of the file whose path comes next.
std::string content(Words& in) {
    std::string path;
    in >> path;
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string digest(Words& in) { return ltp::digests({content(in)}).front(); }

/// Of a file's path: whether it is a document of JSON that manifests may be.
bool json(Words& in) {
    try {
        ltp::json::parse(content(in));
        return true;
    } catch (const ltp::json::Error&) {
        return false;
    }
}

/// Of a bundle's path: "accepted", or why it is not, in a line.
std::string bundle(Words& in) {
    std::string path;
    in >> path;
    try {
        ltp::read_bundle(path);
        return "accepted";
    } catch (const ltp::Error& error) {
        std::string line = error.what();
        std::replace(line.begin(), line.end(), '\n', ' ');
        return line;
    }
}

}  // namespace

int main() {
    for (std::string line, question; std::getline(std::cin, line);) {
        Words in(line);
        in >> question;
        if (question == "prunes")
            std::cout << prunes(in) << '\n';
        else if (question == "survivors")
            std::cout << survivors(in) << '\n';
        else if (question == "scaled")
            std::cout << scaled(in) << '\n';
        else if (question == "positions")
            std::cout << positions(in) << '\n';
        else if (question == "digest")
            std::cout << digest(in) << '\n';
        else if (question == "json")
            std::cout << json(in) << '\n';
        else if (question == "bundle")
            std::cout << bundle(in) << '\n';
        else
            return EXIT_FAILURE;
    }
}
