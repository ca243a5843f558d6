// A sequence's answer is the same to the last bit whatever else is in the batch, and in whatever
// order threads run.
#include "block.h"
#include "check.h"
#include "device.h"

namespace {

using namespace ltp;

bool same(const test::LayerResult& a, const test::LayerResult& b) {
    return a.scores == b.scores && a.context == b.context && a.kept == b.kept &&
           a.offsets == b.offsets && a.alive == b.alive;
}

test::Problem alone(const test::Problem& p, int b) {
    const int first = p.offsets[b], end = p.offsets[b + 1], width = 3 * p.hidden();
    test::Problem q = p;
    q.offsets = {0, end - first};
    q.alive.assign(p.alive.begin() + first, p.alive.begin() + end);
    q.lengths = {p.lengths[b]};
    q.qkv.assign(p.qkv.begin() + size_t(first) * width, p.qkv.begin() + size_t(end) * width);
    return q;
}

/// What `batch` holds of sequence b, as if it were alone.
test::LayerResult part(const test::Problem& p, const test::LayerResult& batch, int b) {
    const int from = batch.offsets[b], to = batch.offsets[b + 1];
    test::LayerResult result;
    if (!batch.scores.empty())
        result.scores.assign(batch.scores.begin() + p.offsets[b],
                             batch.scores.begin() + p.offsets[b + 1]);
    result.context.assign(batch.context.begin() + size_t(from) * p.hidden(),
                          batch.context.begin() + size_t(to) * p.hidden());
    for (int i = from; i < to; ++i) result.kept.push_back(batch.kept[i] - p.offsets[b]);
    result.offsets = {0, to - from};
    result.alive.assign(batch.alive.begin() + from, batch.alive.begin() + to);
    return result;
}

}  // namespace

int main() {
    test::Random random(29);
    const test::Problem p = test::half_problem(random, 3, 64, {40, 129, 7, 0, 70, 64, 1}, 0.2);
    for (const PruningRule& rule : {PruningRule{}, PruningRule{Mode::Absolute, 0.9f / 64, 64, true},
                                    PruningRule{Mode::TopK, 0.4f, 0, false}})
        for (const Carry carry : {Carry::All, Carry::Survivors, Carry::First, Carry::Bounded}) {
            emulation::seed(1);
            const test::LayerResult batch = test::run(p, rule, carry);
            for (unsigned seed = 2; seed < 5; ++seed) {
                emulation::seed(seed);
                CHECK(same(batch, test::run(p, rule, carry, static_cast<int>(seed))), "order",
                      seed);
            }
            for (int b = 0; b < p.sequences(); ++b)
                if (p.offsets[b] < p.offsets[b + 1])
                    CHECK(same(part(p, batch, b), test::run(alone(p, b), rule, carry)), "sequence",
                          b);
        }
    return test::report("cuda_invariance");
}
