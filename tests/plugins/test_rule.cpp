// The keep decision on exact scores: boundaries, ties, rounding.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "common/survivors.h"

namespace {

using namespace ltp;

std::string survivors(const PruningRule& rule, int heads, int length,
                      const std::vector<float>& scores) {
    std::vector<uint8_t> survives(scores.size(), 2);
    select_survivors(rule, heads, length, scores.data(), static_cast<int>(scores.size()),
                     survives.data());
    std::string text;
    for (const uint8_t s : survives) text += static_cast<char>('0' + s);
    return text;
}

void expect(const std::string& expected, const PruningRule& rule, int heads, int length,
            const std::vector<float>& scores) {
    const std::string found = survivors(rule, heads, length, scores);
    CHECK(found == expected, "expected", expected, "found", found);
}

}  // namespace

int main() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float just_below = std::nextafter(2.f, 0.f);

    expect("111", {Mode::None, 9.f, 0, false}, 1, 3, {1, 2, 3});
    expect("", {Mode::Absolute, 1.f, 0, true}, 1, 3, {});

    // An equal score survives; D is the rule's, or else the original length.
    expect("011", {Mode::Absolute, 0.25f, 4, false}, 2, 100, {just_below, 2.f, 3.f});
    expect("111", {Mode::Absolute, 0.25f, 4, true}, 2, 100, {just_below, 2.f, 3.f});
    expect("001", {Mode::Absolute, 0.25f, 0, false}, 2, 6, {just_below, 2.f, 3.f});
    expect("000", {Mode::Absolute, 9.f, 0, false}, 1, 3, {1, 2, 3});
    expect("111", {Mode::Absolute, 0.f, 0, false}, 1, 3, {0, 0, 0});

    expect("011", {Mode::Relative, 0.5f, 0, false}, 2, 100, {just_below, 2.f, 4.f});
    expect("111", {Mode::Relative, 0.f, 0, false}, 2, 100, {0.f, 2.f, 4.f});
    expect("111", {Mode::Relative, -1.f, 0, false}, 2, 100, {0.f, 2.f, 4.f});

    // Half rounds to even: 5 * 0.5 = 2.5 -> 2, 7 * 0.5 = 3.5 -> 4. The original length counts, not
    // what is left.
    expect("01100", {Mode::TopK, 0.5f, 0, false}, 1, 5, {1, 5, 4, 3, 2});
    expect("01111", {Mode::TopK, 0.5f, 0, false}, 1, 7, {1, 5, 4, 3, 2});
    expect("11111", {Mode::TopK, 0.5f, 0, false}, 1, 100, {1, 5, 4, 3, 2});
    expect("11000", {Mode::TopK, 0.5f, 0, true}, 1, 5, {1, 5, 4, 3, 2});
    expect("00000", {Mode::TopK, 0.01f, 0, false}, 1, 5, {1, 5, 4, 3, 2});
    expect("10000", {Mode::TopK, 0.01f, 0, true}, 1, 5, {1, 5, 4, 3, 2});
    expect("11111", {Mode::TopK, 1.f, 0, false}, 1, 1, {1, 5, 4, 3, 2});
    expect("00000", {Mode::TopK, -1.f, 0, false}, 1, 5, {1, 5, 4, 3, 2});
    // Ties go to the lower index.
    expect("11010", {Mode::TopK, 0.6f, 0, false}, 1, 5, {7, 7, 3, 7, 7});

    // A NaN, which only broken activations produce, must not break the ordering.
    expect("010", {Mode::TopK, 0.34f, 0, false}, 1, 3, {1, nan, 9});
    return test::report("rule");
}
