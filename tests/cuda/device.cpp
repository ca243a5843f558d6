#include "device.h"

#include <algorithm>
#include <cstring>

#include "check.h"
#include "compare.h"
#include "guarded.h"

namespace test {
namespace {

/// Whether a row is padding: zero, not alive, and a valid index.
bool is_padding(const Result& result, int row, int kept, int hidden) {
    const auto context = result.context.begin() + size_t(row) * hidden;
    return result.kept[row] == kept && result.alive[row] == 0 &&
           std::all_of(context, context + hidden, [](float x) { return x == 0.f; });
}

void truncate(Result& result, int rows, int hidden) {
    result.context.resize(size_t(rows) * hidden);
    result.kept.resize(rows);
    result.alive.resize(rows);
}

/// The reference has no row for a sequence without any.
LayerResult without_empty(const Problem& p, const LayerResult& result, const std::string& where) {
    LayerResult rest;
    rest.scores = result.scores;
    rest.offsets = {0};
    for (int b = 0; b < p.sequences(); ++b) {
        CHECK(result.offsets[b + 1] == b + 1, where, p.describe(), "sequence", b);
        if (p.offsets[b] == p.offsets[b + 1]) {
            CHECK(is_padding(result, b, 0, p.hidden()), where, p.describe(), "empty sequence", b);
        } else {
            const auto context = result.context.begin() + size_t(b) * p.hidden();
            rest.context.insert(rest.context.end(), context, context + p.hidden());
            rest.kept.push_back(result.kept[b]);
            rest.alive.push_back(result.alive[b]);
        }
        rest.offsets.push_back(static_cast<int>(rest.kept.size()));
    }
    return rest;
}

}  // namespace

Problem half_problem(Random& random, int heads, int head_size, const std::vector<int>& lengths,
                     double pruned) {
    Problem p = random_problem(random, heads, head_size, ltp::Element::F32, lengths, pruned);
    for (float& x : p.qkv) x = __half2float(__float2half_rn(x));
    return p;
}

std::vector<__half> to_half(const std::vector<float>& values) {
    std::vector<__half> halves(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), __float2half_rn);
    return halves;
}

LayerResult run(const Problem& p, const ltp::PruningRule& rule, ltp::Carry carry, int spare_rows) {
    const int rows = p.rows() + spare_rows,
              capacity = carry == ltp::Carry::First ? p.sequences() : rows;
    const int hidden = p.hidden();
    const std::string where = "carry " + std::to_string(static_cast<int>(carry));
    Guarded<__half> qkv(to_half(p.qkv), size_t(rows) * 3 * hidden),
        context(size_t(capacity) * hidden);
    Guarded<int32_t> offsets(p.offsets, p.offsets.size()), alive(p.alive, rows),
        lengths(p.lengths, p.lengths.size());
    Guarded<int32_t> kept(capacity), offsets_out(p.offsets.size()), alive_out(capacity), count(1);

    const ltp::cuda::Layer layer{p.heads, p.head_size, rule, carry};
    Guarded<char> workspace(ltp::cuda::workspace_bytes(layer, rows, p.sequences()));
    const ltp::cuda::Inputs in{rows,           p.sequences(), qkv.data(),
                               offsets.data(), alive.data(),  lengths.data()};
    const bool survivors = carry == ltp::Carry::Survivors,
               counted = survivors || carry == ltp::Carry::Bounded;
    const ltp::cuda::Outputs out{context.data(), kept.data(), offsets_out.data(), alive_out.data(),
                                 counted ? count.data() : nullptr};
    CHECK(pruned_attention(layer, in, out, workspace.data(), nullptr) == cudaSuccess, where);

    LayerResult result;
    if (prunes(rule) && p.rows() > 0) {  // they come first
        result.scores.resize(p.rows());
        std::memcpy(result.scores.data(), workspace.data(), p.rows() * sizeof(result.scores[0]));
    }
    std::transform(context.data(), context.data() + context.size(),
                   std::back_inserter(result.context), __half2float);
    result.kept.assign(kept.data(), kept.data() + capacity);
    result.alive.assign(alive_out.data(), alive_out.data() + capacity);
    result.offsets.assign(offsets_out.data(), offsets_out.data() + offsets_out.size());
    const int used = result.offsets.back();
    CHECK(result.offsets[0] == 0 && used >= 0 && used <= capacity, where, p.describe(), used);
    if (failures) return result;
    if (carry == ltp::Carry::First) return without_empty(p, result, where);
    if (counted) CHECK(count[0] == used, where, p.describe(), count[0], used);
    if (!survivors)
        for (int row = used; row < capacity; ++row)
            CHECK(is_padding(result, row, carry == ltp::Carry::All ? row : 0, hidden), where,
                  p.describe(), "row", row);
    truncate(result, used, hidden);
    return result;
}

int check(const Problem& p, const Attention& attention, const ltp::PruningRule& rule,
          ltp::Carry carry, int spare_rows) {
    const Result result = run(p, rule, carry, spare_rows);
    const std::string where = "mode " + std::to_string(static_cast<int>(rule.mode)) +
                              " threshold " + std::to_string(rule.threshold) + " carry " +
                              std::to_string(static_cast<int>(carry));
    if (carry == ltp::Carry::Bounded) carry = ltp::Carry::Survivors;  // but for the padding
    return compare(p, attention, rule, carry, result, {kContextTolerance, 2e-5}, where);
}

}  // namespace test
