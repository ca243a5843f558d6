// Attention and scores over lengths around every tile edge and all head sizes, with and without
// pruning.
#include <cstdio>

#include "check.h"
#include "device.h"
#include "reference.h"

namespace {

using namespace ltp;

test::Random random_(2107);
long tokens = 0, doubts = 0;

void check(int head_size, const std::vector<int>& lengths, double pruned) {
    const test::Problem p = test::half_problem(random_, 2, head_size, lengths, pruned);
    const test::Attention attention = test::reference_attention(p);
    const PruningRule none, half{Mode::TopK, 0.5f, 0, true};
    test::check(p, attention, none, Carry::All);
    doubts += test::check(p, attention, half, Carry::All);
    doubts += test::check(p, attention, half, Carry::First);
    tokens += 2 * p.rows();
}

/// Whatever the softmax is fed, it must not overflow.
void large_scores() {
    test::Problem p = test::half_problem(random_, 2, 64, {40, 100}, 0.);
    for (int row = 0; row < p.rows(); ++row)
        for (int c = 0; c < 2 * p.hidden(); ++c) p.qkv[size_t(row) * 3 * p.hidden() + c] *= 4096.f;
    for (const PruningRule& rule : {PruningRule{}, PruningRule{Mode::Absolute, 0.f, 16, true}})
        for (const float x : test::run(p, rule, Carry::All).context)
            CHECK(x > -10.f && x < 10.f, x);
}

/// A row that is not alive may hold anything.
void dead_rows_do_not_count() {
    test::Problem p = test::half_problem(random_, 2, 64, {70, 20}, 0.3);
    for (int row = 0; row < p.rows(); ++row)
        if (!p.alive[row])
            std::fill_n(p.qkv.begin() + size_t(row) * 3 * p.hidden(), 3 * p.hidden(), NAN);
    const test::Attention attention = test::reference_attention(p);
    for (const PruningRule& rule : {PruningRule{}, PruningRule{Mode::TopK, 0.7f, 0, false}})
        for (const Carry carry : {Carry::All, Carry::First}) test::check(p, attention, rule, carry);
}

}  // namespace

int main() {
    for (const int n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129}) {
        check(64, {n, 5, n + 1}, n % 2 ? 0.25 : 0.);
        check(32, {n}, 0.);
        check(128, {n}, 0.);
    }
    check(64, {200, 513}, 0.1);
    for (int head_size = 8; head_size <= 128; head_size += 8)
        check(head_size, {33, 1, 18, 66}, 0.3);
    large_scores();
    dead_rows_do_not_count();
    std::printf("%ld tokens compared, %ld ties decided otherwise\n", tokens, doubts);
    CHECK(doubts * 50 < tokens, "too many doubtful decisions to call this a test");
    return test::report("cuda_attend");
}
