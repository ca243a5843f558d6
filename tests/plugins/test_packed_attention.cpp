// Every kernel against the reference, over sizes around every tile edge, all modes and all ways to
// carry rows. An argument N checks one in N of these cases, drawn at random.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "check.h"
#include "compare.h"
#include "kernels.h"
#include "run.h"

namespace {

using namespace ltp;
using test::Problem;

std::vector<PruningRule> rules(test::Random& random) {
    const float near_mean = std::uniform_real_distribution<float>(0.7f, 1.1f)(random);
    std::vector<PruningRule> rules{{Mode::None}};
    for (const bool keep_first : {true, false}) {
        for (const float threshold : {near_mean / 16, 0.f, 1e9f})
            rules.push_back({Mode::Absolute, threshold, 16, keep_first});
        rules.push_back({Mode::Absolute, near_mean / 20, 0, keep_first});
        for (const float ratio : {0.f, 0.5f, 1.f, 2.f})
            rules.push_back({Mode::Relative, ratio, 0, keep_first});
        for (const float rate : {0.f, 0.01f, 0.3f, 0.75f, 1.f, 2.f})
            rules.push_back({Mode::TopK, rate, 0, keep_first});
    }
    return rules;
}

class Sweep {
public:
    explicit Sweep(unsigned one_in) : one_in_(one_in) {}

    void problem(const Problem& p) {
        const test::Attention attention = test::reference_attention(p);
        for (const PruningRule& rule : rules(random_))
            for (const Carry carry : {Carry::All, Carry::Survivors, Carry::First})
                for (const Kernel* k : kernels_)
                    if (random_() % one_in_ == 0) check(p, attention, rule, carry, k);
    }

    void check(const Problem& p, const test::Attention& attention, const PruningRule& rule,
               Carry carry, const Kernel* k) {
        const test::Result result = test::run(p, rule, carry, *k, test::serial_for);
        const std::string where = std::string(k->name) + " mode " +
                                  std::to_string(static_cast<int>(rule.mode)) + " threshold " +
                                  std::to_string(rule.threshold) + " carry " +
                                  std::to_string(static_cast<int>(carry));
        const test::Tolerance tolerance = test::tolerance(*k, p.element);
        doubts_ += test::compare(p, attention, rule, carry, result, tolerance, where);
        tokens_ += p.rows();
    }

    /// So many rows that moving them is shared out among threads.
    void many_rows() {
        const Problem p = test::random_problem(random_, 4, 64, Element::F32, {40, 200, 100}, 0.05);
        const test::Attention attention = test::reference_attention(p);
        for (const Kernel* k : kernels_)
            check(p, attention, {Mode::TopK, 0.9f, 0, true}, Carry::Survivors, k);
    }

    void random(int heads, int head_size, const std::vector<int>& lengths, double pruned) {
        for (const Element element : {Element::F32, Element::BF16})
            problem(test::random_problem(random_, heads, head_size, element, lengths, pruned));
    }

    /// Probabilities below the smallest normal number are zero, since computing with them would
    /// take many times as long. The thread's own way to treat such numbers stays what it was.
    void no_denormals() {
        volatile float small = std::numeric_limits<float>::min();
        for (const float distance : {80.f, 90.f, 102.f}) {
            Problem p = test::random_problem(random_, 1, 8, Element::F32, {20}, 0.);
            for (float& x : p.qkv) x = 0;
            for (int row = 0; row < p.rows(); ++row) {
                p.qkv[size_t(row) * 24] = std::sqrt(8.f);
                p.qkv[size_t(row) * 24 + 8] = row == 5 ? -distance : 0.f;
                p.qkv[size_t(row) * 24 + 16] = row == 5 ? 1.f : 0.f;
            }
            for (const Kernel* k : kernels_) {
                const float context =
                    test::run(p, {Mode::None}, Carry::All, *k, test::serial_for).context[0];
                CHECK((context > 0) == (distance < 87), k->name, distance, context);
                CHECK(small / 2 > 0, k->name, "leaves denormals off");
            }
        }
    }

    /// Whatever the softmax is fed, it must not overflow.
    void large_scores() {
        Problem p = test::random_problem(random_, 2, 64, Element::F32, {40}, 0.);
        for (int row = 0; row < p.rows(); ++row)
            for (int c = 0; c < 2 * p.hidden(); ++c)
                p.qkv[size_t(row) * 3 * p.hidden() + c] *= 30.f;
        for (const Kernel* k : kernels_) {
            const test::Result result =
                test::run(p, {Mode::None}, Carry::All, *k, test::serial_for);
            for (const float x : result.context) CHECK(x > -10.f && x < 10.f, k->name, x);
        }
    }

    void report() const {
        for (const Kernel* k : kernels_) std::printf("kernel %s\n", k->name);
        std::printf("%ld tokens compared, %ld ties decided otherwise\n", tokens_, doubts_);
        CHECK(doubts_ * 50 < tokens_, "too many doubtful decisions to call this a test");
    }

private:
    const unsigned one_in_;
    test::Random random_{2107};
    std::vector<const Kernel*> kernels_ = test::kernels_of_this_cpu();
    long tokens_ = 0, doubts_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    Sweep sweep(argc > 1 ? std::atoi(argv[1]) : 1);
    sweep.random(2, 8, {}, 0.);
    sweep.random(2, 8, {0}, 0.);
    sweep.random(2, 8, {0, 3, 0, 0, 1, 0}, 0.);
    for (int n = 1; n <= 20; ++n)
        for (const int head_size : {32, 64}) sweep.random(2, head_size, {n}, 0.);
    for (int head_size = 8; head_size <= 256; head_size += head_size < 72 ? 8 : 56)
        sweep.random(3, head_size, {1, 7, 33, 0, 18}, 0.3);
    for (const int n : {31, 32, 33, 47, 48, 49, 63, 64, 65, 66, 96, 127, 128, 129})
        for (const int head_size : {32, 64})
            sweep.random(1, head_size, {n, 5, n + 1}, n % 2 ? 0.25 : 0.);
    for (const int n : {511, 512, 513}) sweep.random(1, n == 512 ? 32 : 64, {n}, 0.1);
    sweep.many_rows();
    sweep.no_denormals();
    sweep.large_scores();
    sweep.report();
    return test::report("packed_attention");
}
