// The program ltp-run, given as the first argument, as a shell takes it: its output, and its
// errors' line numbers. The second argument is an extension of OpenVINO.
#include <sys/wait.h>

#include <cstdio>

#include "refused.h"
#include "toy_bundle.h"

namespace {

struct Outcome {
    int status;
    std::string text;  // standard output and error
};

Outcome shell(const std::string& command) {
    Outcome outcome{};
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    for (int c; (c = std::fgetc(pipe)) != EOF;) outcome.text += static_cast<char>(c);
    outcome.status = WEXITSTATUS(pclose(pipe));
    return outcome;
}

}  // namespace

int main(int, char** argv) {
    test::ToyBundle toy;
    toy.make_engine();
    const std::string program = argv[1], bundle = toy.path;
    const auto with_input = [&](const std::string& input, const std::string& options = "") {
        return shell("printf '" + input + "' | " + program + " " + options + " " + bundle);
    };
    const auto gives = [](const Outcome& outcome, int status, const std::string& text) {
        CHECK(outcome.status == status, "exit status", outcome.status, outcome.text);
        CHECK(outcome.text.find(text) != std::string::npos, "found", outcome.text, "instead of",
              text);
    };

    gives(with_input("5 6,7\\r\\n9, 9 | 1 0\\n"), 0, "18 9 0\n18 5 1\n");
    gives(with_input("5\\n6\\n7", "--batch 2 --threads 1"), 0, "5 2 0\n6 2 0\n7 2 0\n");
    gives(with_input("5\\n", "--pruning 1"), 0, "5 2 0\n");
    gives(with_input("5\\n", "--pruning 0.5"), 1,
          "the engine has 0 layers, the manifest's policy 1");
    for (const char* bad : {"-1", "x", "nan", "inf", "1e999", "''"})
        gives(with_input("5\\n", std::string("--pruning ") + bad), 1, "takes a factor from 0 on");
    gives(with_input("5\\n0\\n", "--labels"), 0, "no\t5 2 0\nperhaps\t0 2 0\n");
    toy.replace("\"classification\"", "\"multi_label\"");
    gives(with_input("5\\n0\\n", "--labels"), 0, "no,perhaps\t5 2 0\nperhaps\t0 2 0\n");
    toy.replace("\"label_thresholds\": []", "\"label_thresholds\": [0.5, 0.9, 0.4]");
    gives(with_input("5\\n0\\n", "--labels"), 0,
          "no,oui à la carte\t5 2 0\noui à la carte\t0 2 0\n");
    toy.replace("[0.5, 0.9, 0.4]", "[]");
    toy.replace("\"multi_label\"", "\"regression\"");
    gives(with_input("5\\n", "--labels"), 1, "names no labels; leave out --labels");
    toy.replace("\"regression\"", "\"ranking\"");
    gives(with_input("5\\n", "--labels"), 1, "names no labels; leave out --labels");
    toy.replace("\"ranking\"", "\"classification\"");
    const Outcome nothing = shell("(printf '' | " + program + " " + bundle + " 2>/dev/null)");
    CHECK(nothing.text.empty() && nothing.status == 0, "no lines, no output");

    test::ToyBundle other;
    other.put("lines", "8\n");
    gives(shell(program + " " + bundle + " " + (other.path / "lines").string()), 0, "8 2 0\n");
    gives(shell(program + " " + bundle + " /nowhere"), 1, "/nowhere cannot be opened");
    gives(shell(program + " " + bundle + " " + bundle), 1, "the input cannot be read");

    gives(with_input("5\\n6\\n7\\n1000\\n", "--batch 2"), 1,
          "6 2 0\nltp-run: line 4: token 0 has id 1000");
    gives(with_input("5\\n\\n6\\n"), 1, "line 2: it has no tokens");
    gives(with_input("5\\n6 x\\n"), 1, "line 2: 'x' is not a token id");
    gives(with_input("99999999999\\n"), 1, "line 1: '99999999999' is not a token id");
    gives(with_input("5\\n5 6 | 1\\n"), 1, "line 2: it has 2 token ids but 1 token types");
    gives(with_input("5 | 0 | 0\\n"), 1, "line 1: '|' is not a token id");

    const std::string library = argv[2], text = "--text --tokenizers " + library;
    unsetenv("LTP_OPENVINO_TOKENIZERS");
    gives(with_input("a\\n", text), 1, "has no tokenizer for C++; build it with --cpp-texts");
    toy.make_texts();
    gives(with_input("\\002\\n\\005\\t\\003\\r\\n", text), 0, "2 2 0\n3 2 1\n");
    gives(with_input("\\357\\273\\277\\002", text), 0, "2 2 0\n");  // after a byte order mark
    gives(with_input("1234\\n\\002\\n12345\\n", text + " --batch 2 --labels"), 0,
          "line 3 has more tokens than the engine takes and was cut");
    gives(with_input("1234\\n", text), 0, "line 1 has more tokens");
    gives(with_input("a\\nb\\351\\n", text), 1, "line 2: byte 1 begins no character of UTF-8");
    gives(with_input("a\\nb\\n\\317\\202\\n", text + " --batch 2"), 1,
          "line 3: byte 0 begins the character U+03C2");
    gives(with_input("a\\tb\\tc\\n", text), 1, "line 1: it has several tabs");
    gives(with_input("a\\n", "--text"), 1,
          "give --tokenizers FILE, or set LTP_OPENVINO_TOKENIZERS");
    gives(with_input("a\\n", "--tokenizers " + library), 1, "--tokenizers is for --text");
    setenv("LTP_OPENVINO_TOKENIZERS", library.c_str(), 1);
    gives(with_input("\\002\\n", "--text"), 0, "2 2 0\n");
    setenv("LTP_OPENVINO_TOKENIZERS", "/nowhere.so", 1);
    gives(with_input("a\\n", "--text"), 1, "cannot be loaded from \"/nowhere.so\"");
    gives(with_input("\\002\\n", text), 0, "2 2 0\n");
    gives(with_input("5\\n"), 0, "5 2 0\n");

    gives(shell(program + " --help"), 0, "Usage: ltp-run");
    gives(shell(program), 1, "one BUNDLE");
    gives(shell(program + " --batch 0 " + bundle), 1, "--batch takes a positive number, not '0'");
    gives(shell(program + " --bogus " + bundle), 1, "--help");
    gives(shell(program + " /nowhere"), 1, "is not a bundle");
    gives(shell("echo 5 | " + program + " " + bundle + " >/dev/full"), 1, "");
    return test::report("ltp-run");
}
