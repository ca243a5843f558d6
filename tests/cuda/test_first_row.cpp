// Where only the first rows are wanted and nothing is pruned: lengths and head sizes around how
// lanes share the keys.
#include "check.h"
#include "device.h"
#include "reference.h"

namespace {

using namespace ltp;

void check(test::Random& random, int head_size, const std::vector<int>& lengths, double pruned) {
    const test::Problem p = test::half_problem(random, 3, head_size, lengths, pruned);
    test::check(p, test::reference_attention(p), {}, Carry::First, random() % 3);
}

}  // namespace

int main() {
    test::Random random(11);
    check(random, 64, {}, 0.);
    check(random, 64, {0}, 0.);
    for (const int n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 200, 513})
        for (const int head_size : {32, 64, 128})
            check(random, head_size, {n, 0, 3, n + 1}, n % 2 ? 0.3 : 0.);
    for (int head_size = 8; head_size <= 128; head_size += 8)
        check(random, head_size, {5, 40, 1}, 0.3);

    test::Problem large = test::half_problem(random, 1, 64, {50}, 0.);
    for (int row = 0; row < large.rows(); ++row)
        for (int c = 0; c < 128; ++c) large.qkv[size_t(row) * 192 + c] *= 4096.f;
    for (const float x : test::run(large, {}, Carry::First).context)
        CHECK(x > -10.f && x < 10.f, x);
    return test::report("cuda_first_row");
}
