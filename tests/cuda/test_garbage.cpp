// Inputs that mean nothing: whatever they hold, the kernels come to an end and stay within the
// buffers.
#include <limits>

#include "check.h"
#include "cuda/pruned_attention.h"
#include "guarded.h"
#include "problem.h"

namespace {

using namespace ltp;

struct Case {
    int rows;
    std::vector<int32_t> offsets, alive, lengths;
};

/// What other layers left there.
std::vector<int32_t> scratch(test::Random& random, size_t bytes, int rows) {
    std::vector<int32_t> values(bytes / sizeof(int32_t));
    for (int32_t& value : values)
        value = random() % 2 ? static_cast<int32_t>(random())
                             : static_cast<int32_t>(random() % (rows + 9)) - 4;
    return values;
}

void run(const Case& c, const PruningRule& rule, Carry carry, test::Random& random) {
    const cuda::Layer layer{2, 24, rule, carry};
    const size_t hidden = 48, sequences = c.lengths.size(), rows = c.rows;
    const size_t capacity = carry == Carry::First ? sequences : rows;
    test::Guarded<__half> qkv(rows * 3 * hidden), context(capacity * hidden);
    test::Guarded<int32_t> offsets(c.offsets, sequences + 1), alive(c.alive, rows),
        lengths(c.lengths, sequences);
    test::Guarded<int32_t> kept(capacity), offsets_out(sequences + 1), alive_out(capacity),
        count(1);
    const size_t bytes = cuda::workspace_bytes(layer, c.rows, static_cast<int>(sequences));
    test::Guarded<int32_t> workspace(scratch(random, bytes, c.rows), bytes / sizeof(int32_t));
    const cuda::Inputs in{c.rows,       static_cast<int>(sequences),
                          qkv.data(),   offsets.data(),
                          alive.data(), lengths.data()};
    const bool survivors = carry == Carry::Survivors;
    const cuda::Outputs out{context.data(), kept.data(), offsets_out.data(), alive_out.data(),
                            survivors ? count.data() : nullptr};
    CHECK(pruned_attention(layer, in, out, workspace.data(), nullptr) == cudaSuccess, c.rows);
    if (survivors) CHECK(count[0] >= 0 && count[0] <= c.rows, count[0]);
}

}  // namespace

int main() {
    test::Random random(41);
    constexpr int32_t kLeast = std::numeric_limits<int32_t>::min(),
                      kMost = std::numeric_limits<int32_t>::max();
    for (int round = 0; round < 25; ++round) {
        Case c;
        c.rows = random() % 150;
        const int sequences = random() % (round % 8 ? 6 : 40);
        const auto fill = [&](std::vector<int32_t>& values, size_t size) {
            const unsigned kind = random() % 5;
            for (size_t i = 0; i < size; ++i) {
                const auto any = static_cast<int32_t>(random());
                const int32_t value[] = {any, static_cast<int32_t>(random() % (c.rows + 1)), kLeast,
                                         kMost, any % 200};
                values.push_back(value[kind == 4 ? random() % 5 : kind]);
            }
        };
        fill(c.offsets, sequences + 1);
        fill(c.alive, c.rows);
        fill(c.lengths, sequences);
        for (const PruningRule& rule : {PruningRule{}, PruningRule{Mode::Absolute, 0.01f, 0, false},
                                        PruningRule{Mode::TopK, 0.5f, 0, true}})
            for (const Carry carry : {Carry::All, Carry::Survivors, Carry::First, Carry::Bounded})
                run(c, rule, carry, random);
    }
    return test::report("cuda_garbage");
}
