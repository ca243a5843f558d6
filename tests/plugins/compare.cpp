#include "compare.h"

#include <cmath>

#include "check.h"

namespace test {
namespace {

/// The survivors the op chose: the reference's, except where the op says otherwise and may.
std::vector<bool> accepted_survivors(const Problem& p, const Decision& expected,
                                     const Result& result, const std::string& where, int& doubts) {
    std::vector<bool> survives = expected.survives;
    const auto accept = [&](int row, bool alive) {
        if (alive == survives[row]) return;
        CHECK(expected.doubtful[row], where, p.describe(), "row", row, "survives:", alive);
        ++doubts;
        survives[row] = alive;
    };
    for (int b = 0; b < p.sequences(); ++b) {
        const int from = result.offsets[b], to = result.offsets[b + 1];
        const int first = p.offsets[b], end = p.offsets[b + 1];
        if (from == to || first == end) continue;
        accept(first, result.alive[from]);
        if (!result.alive[from])
            continue;  // finished: what else would have survived is not visible
        std::vector<bool> alive(end - first, false);
        for (int i = from; i < to; ++i)
            if (result.kept[i] >= first && result.kept[i] < end)
                alive[result.kept[i] - first] = result.alive[i];
        for (int row = first + 1; row < end; ++row) accept(row, alive[row - first]);
    }
    return survives;
}

}  // namespace

Tolerance tolerance(const ltp::Kernel& kernel, ltp::Element element) {
    const bool bf16_math = std::string(kernel.name).find("bf16") != std::string::npos;
    if (bf16_math) return {4e-2, 3e-2};
    return {element == ltp::Element::BF16 ? 2e-2 : 2e-5, 2e-5};
}

int compare(const Problem& p, const Attention& attention, const ltp::PruningRule& rule,
            ltp::Carry carry, const Result& result, Tolerance tolerance, const std::string& where) {
    CHECK(result.offsets.size() == size_t(p.sequences()) + 1 && result.offsets[0] == 0, where,
          p.describe());
    CHECK(result.offsets.back() == static_cast<int>(result.kept.size()), where, p.describe(),
          result.offsets.back());
    for (int b = 0; b < p.sequences(); ++b)
        CHECK(result.offsets[b] <= result.offsets[b + 1], where, p.describe(), "sequence", b);
    if (failures) return 0;

    int doubts = 0;
    Decision decision = reference_decision(p, attention, rule, tolerance.closeness);
    if (carry == ltp::Carry::First)  // only the first rows are visible
        for (int b = 0; b < p.sequences(); ++b)
            for (int row = p.offsets[b] + 1; row < p.offsets[b + 1]; ++row)
                decision.survives[row] = false;
    const std::vector<bool> survives = accepted_survivors(p, decision, result, where, doubts);

    size_t i = 0;
    for (int b = 0; b < p.sequences(); ++b) {
        const int first = p.offsets[b], end = p.offsets[b + 1];
        CHECK(result.offsets[b] == static_cast<int>(i), where, p.describe(), "sequence", b,
              result.offsets[b], i);
        const bool goes_on = first < end && survives[first];
        for (int row = first; row < end; ++row) {
            const bool alive = goes_on && survives[row];
            if (row > first &&
                (carry == ltp::Carry::First || (carry == ltp::Carry::Survivors && !alive)))
                continue;
            if (i >= result.kept.size()) {
                CHECK(false, where, p.describe(), "row", row, "is missing");
                return doubts;
            }
            CHECK(result.kept[i] == row, where, p.describe(), result.kept[i], row);
            CHECK(result.alive[i] == int{alive}, where, p.describe(), "row", row);
            double worst = 0;
            for (int c = 0; c < p.hidden(); ++c) {
                const double expected =
                    alive || row == first ? attention.context[size_t(row) * p.hidden() + c] : 0.;
                const double error = std::abs(result.context[i * p.hidden() + c] - expected);
                if (!(error <= worst)) worst = error;  // also true of NaN
            }
            const bool zero = !(alive || row == first) || !p.alive[row];
            CHECK(worst <= (zero ? 0. : tolerance.context), where, p.describe(), "row", row,
                  "context error", worst);
            ++i;
        }
    }
    CHECK(i == result.kept.size(), where, p.describe(), i, result.kept.size());
    return doubts;
}

}  // namespace test
