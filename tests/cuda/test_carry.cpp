// All rules, first-token policies and ways to carry rows, over ragged batches.
#include <cstdio>

#include "check.h"
#include "device.h"
#include "reference.h"

namespace {

using namespace ltp;

std::vector<PruningRule> rules(test::Random& random) {
    const float near_mean = std::uniform_real_distribution<float>(0.7f, 1.1f)(random);
    std::vector<PruningRule> rules{{Mode::None}};
    for (const bool keep_first : {true, false}) {
        for (const float threshold : {near_mean / 16, 0.f, 1e9f})  // some, none and all are pruned
            rules.push_back({Mode::Absolute, threshold, 16, keep_first});
        rules.push_back({Mode::Absolute, near_mean / 20, 0, keep_first});
        for (const float ratio : {0.f, 0.5f, 2.f})
            rules.push_back({Mode::Relative, ratio, 0, keep_first});
        for (const float rate : {0.f, 0.01f, 0.5f, 1.f, 2.f})
            rules.push_back({Mode::TopK, rate, 0, keep_first});
    }
    return rules;
}

class Sweep {
public:
    void problem(int heads, int head_size, const std::vector<int>& lengths, double pruned) {
        problem(heads, head_size, lengths, pruned, rules(random_));
    }

    void problem(int heads, int head_size, const std::vector<int>& lengths, double pruned,
                 const std::vector<PruningRule>& rules) {
        const test::Problem p = test::half_problem(random_, heads, head_size, lengths, pruned);
        const test::Attention attention = test::reference_attention(p);
        for (const PruningRule& rule : rules)
            for (const Carry carry : {Carry::All, Carry::Survivors, Carry::First, Carry::Bounded}) {
                const int spare_rows = random_() % 2 ? random_() % 100 : 0;
                doubts_ += test::check(p, attention, rule, carry, spare_rows);
                tokens_ += p.rows();
            }
    }

    void report() const {
        std::printf("%ld tokens compared, %ld ties decided otherwise\n", tokens_, doubts_);
        CHECK(doubts_ * 50 < tokens_, "too many doubtful decisions to call this a test");
    }

private:
    test::Random random_{1605};
    long tokens_ = 0, doubts_ = 0;
};

}  // namespace

int main() {
    Sweep sweep;
    sweep.problem(2, 8, {}, 0.);
    sweep.problem(2, 8, {0}, 0.);
    sweep.problem(2, 8, {0, 0, 0}, 0.);
    sweep.problem(2, 8, {1}, 0.);
    sweep.problem(2, 8, {0, 3, 0, 0, 1, 0}, 0.);
    sweep.problem(3, 16, {12, 33, 0, 7, 1, 18}, 0.);
    sweep.problem(1, 8, {9, 5, 33, 0, 18, 2, 11, 1}, 0.6);  // many finished sequences
    sweep.problem(2, 40, {70, 3, 64}, 0.3);
    // More sequences than a warp searches at once.
    sweep.problem(1, 8, std::vector<int>(70, 2), 0.2, {{Mode::Relative, 0.9f, 0, false}});
    sweep.report();
    return test::report("cuda_carry");
}
