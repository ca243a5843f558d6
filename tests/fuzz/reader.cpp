// The child process in C++: opens the bundle that each line of its input names, and says what
// became of it, as reader.py does: the stage that it reached, the result, and a message or the
// answer.
#include <iostream>
#include <string>

#include "bundle.h"
#include "ltp/engine.h"

namespace {

/// In one line.
std::string flat(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return text.substr(0, 2000);
}

/// Runs a small request, which every seed's model takes.
std::string answer(const std::string& path, const char*& stage) {
    ltp::read_bundle(path);
    stage = "compiling";
    const ltp::Engine engine(path);
    stage = "inference";
    const ltp::Result result = engine.run(ltp::pack({{2, 5, 6, 3}, {2, 3}}));
    if (result.size() != 2) throw std::logic_error("answers to other sequences");
    std::string said;
    for (const float logit : result.logits) said += std::to_string(logit) + ' ';
    return said;
}

}  // namespace

int main() {
    for (std::string path; std::getline(std::cin, path);) {
        const char *stage = "reading", *result = "answered";
        std::string said;
        try {
            said = answer(path, stage);
        } catch (const ltp::Error& error) {
            result = "refused";
            said = error.what();
        } catch (const std::exception& error) {
            result = "raw";
            said = error.what();
        }
        std::cout << stage << '\t' << result << '\t' << flat(said) << std::endl;
    }
}
