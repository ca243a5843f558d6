// The decision on given scores: exactly the host's, with ties, NaN, and more rows than a block has
// threads, or keys in their registers.
#include <cmath>
#include <string>

#include "check.h"
#include "common/survivors.h"
#include "cuda/arguments.h"
#include "cuda/launches.h"
#include "device.h"
#include "guarded.h"
#include "problem.h"

namespace {

using namespace ltp;

constexpr int kHeadSize = 8;
constexpr float kTick = 0.125f;  // all scores are multiples: many are equal

struct Scores {
    std::vector<unsigned long long> fixed;
    std::vector<float> value;
};

Scores random_scores(test::Random& random, int rows, int levels, double nan) {
    Scores scores;
    for (int i = 0; i < rows; ++i) {
        const unsigned ticks = random() % levels;
        const bool is_nan = std::uniform_real_distribution<double>()(random) < nan;
        scores.fixed.push_back((is_nan ? 1ull << 63 : 0) +
                               (static_cast<unsigned long long>(ticks) << 37));
        scores.value.push_back(is_nan ? NAN : static_cast<float>(ticks) * kTick);
    }
    return scores;
}

/// Of one sequence, whose first row is alive.
std::vector<uint8_t> host(const PruningRule& rule, int heads, int length, const Scores& scores,
                          const std::vector<int32_t>& alive) {
    std::vector<float> candidates;
    std::vector<int> rows;
    for (size_t i = 0; i < alive.size(); ++i)
        if (alive[i]) {
            candidates.push_back(scores.value[i]);
            rows.push_back(static_cast<int>(i));
        }
    std::vector<uint8_t> chosen(rows.size()), survives(alive.size(), 0);
    select_survivors(rule, heads, length, candidates.data(), static_cast<int>(rows.size()),
                     chosen.data());
    for (size_t k = 0; k < rows.size(); ++k) survives[rows[k]] = chosen[0] && chosen[k];
    return survives;
}

/// Queries and keys such that every alive row gives all its probability to the first one.
std::vector<__half> all_to_the_first(int rows, int width) {
    std::vector<float> qkv(size_t(rows) * 3 * width, 0.f);
    for (int head = 0; head < width; head += kHeadSize) {
        for (int row = 0; row < rows; ++row) qkv[size_t(row) * 3 * width + head] = 512.f;
        qkv[width + head] = 512.f;
    }
    return test::to_half(qkv);
}

/// Of sequence 1 of 3; the others are empty. The kernel adds to scores that are there already, and
/// when it decides they are the given ones.
std::vector<uint8_t> device(const PruningRule& rule, int heads, int length, const Scores& scores,
                            const std::vector<int32_t>& alive) {
    const int rows = static_cast<int>(alive.size()), width = heads * kHeadSize;
    Scores before = scores;
    for (const int32_t is_alive : alive) before.fixed[0] -= is_alive ? (1ull << 40) * heads : 0;
    test::Guarded<__half> qkv(all_to_the_first(rows, width), size_t(rows) * 3 * width),
        attended(size_t(rows) * width);
    test::Guarded<int32_t> in_alive(alive, rows),
        offsets(std::vector<int32_t>{0, 0, rows, rows}, 4);
    test::Guarded<int32_t> lengths(std::vector<int32_t>{1, length, 1}, 3), survivors(rows),
        counts(3);
    test::Guarded<unsigned> blocks_done(std::vector<unsigned>(3, 0), 3);
    test::Guarded<unsigned long long> fixed(before.fixed, rows);
    cuda::Arguments a{};
    a.qkv = qkv.data();
    a.attended = attended.data();
    a.offsets = offsets.data();
    a.alive = in_alive.data();
    a.lengths = lengths.data();
    a.scores = fixed.data();
    a.blocks_done = blocks_done.data();
    a.survivors = survivors.data();
    a.survivor_counts = counts.data();
    a.rows = rows;
    a.sequences = 3;
    a.heads = heads;
    a.head_size = kHeadSize;
    a.rule = rule;
    a.carry = Carry::Survivors;
    const cuda::Launch launch =
        cuda::launches({heads, kHeadSize, rule, a.carry}, rows, 3).launch[0];
    void* parameters[] = {&a};
    cudaLaunchKernel(launch.kernel.function, launch.grid, launch.block, parameters, 0, nullptr);

    if (prunes(rule))
        for (int i = 0; i < rows; ++i)
            CHECK(!alive[i] || fixed[i] == scores.fixed[i], "score", i, fixed[i]);
    CHECK(counts[0] == 0 && counts[2] == 0, "empty sequences", counts[0], counts[2]);
    std::vector<uint8_t> survives(rows, 0);
    if (counts[1] == 1 && survivors[0] == ~0) return survives;  // finished
    for (int i = 0; i < counts[1]; ++i) {
        CHECK(
            survivors[i] >= 0 && survivors[i] < rows && (i == 0 || survivors[i] > survivors[i - 1]),
            "order", i);
        survives[survivors[i]] = 1;
    }
    return survives;
}

}  // namespace

int main() {
    test::Random random(3);
    std::uniform_real_distribution<float> uniform;
    for (const int rows : {1, 2, 3, 31, 32, 33, 127, 128, 129, 384, 513, 600})
        for (int round = 0; round < (rows < 40 ? 20 : rows < 200 ? 3 : 1); ++round) {
            const bool keep_first = random() % 2;
            const int levels = random() % 2 ? 4 : 1000, heads = rows < 40 ? 1 + random() % 12 : 1,
                      length = rows + random() % 5;
            std::vector<int32_t> alive(rows, 1);
            for (int i = 1; i < rows; ++i) alive[i] = random() % 8 ? 1 + random() % 3 : 0;
            const Scores scores = random_scores(random, rows, levels, 0.);
            const Scores with_nan = random_scores(random, rows, levels, 0.1);
            const auto same = [&](const PruningRule& rule, const Scores& of) {
                CHECK(
                    host(rule, heads, length, of, alive) == device(rule, heads, length, of, alive),
                    "mode", static_cast<int>(rule.mode), "threshold", rule.threshold, "rows", rows,
                    "first", keep_first);
            };
            same({Mode::None, 0.f, 0, keep_first}, scores);
            // Thresholds that some scores meet exactly.
            const float limit = static_cast<float>(random() % levels) * kTick;
            same({Mode::Absolute, limit / static_cast<float>(heads * 16), 16, keep_first},
                 with_nan);
            same({Mode::Absolute, limit / static_cast<float>(heads * length), 0, keep_first},
                 scores);
            same({Mode::Relative, uniform(random), 0, keep_first}, scores);
            same({Mode::Relative, random() % 2 ? 0.5f : 1.f, 0, keep_first}, scores);
            same({Mode::TopK, uniform(random), 0, keep_first}, with_nan);
            same({Mode::TopK, random() % 2 ? 0.5f : 2.f, 0, keep_first}, scores);
            same({Mode::TopK, 1.f / static_cast<float>(length), 0, keep_first}, with_nan);
        }
    return test::report("cuda_decide");
}
