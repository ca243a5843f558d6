#include "reference.h"

#include <algorithm>
#include <cmath>

namespace test {
namespace {

std::vector<int> alive_rows(const Problem& p, int b) {
    std::vector<int> rows;
    const int first = p.offsets[b], end = p.offsets[b + 1];
    if (first == end || !p.alive[first]) return rows;  // finished
    for (int r = first; r < end; ++r)
        if (p.alive[r]) rows.push_back(r);
    return rows;
}

}  // namespace

Attention reference_attention(const Problem& p) {
    const int width = 3 * p.hidden();
    Attention result;
    result.score.assign(p.rows(), 0.);
    result.context.assign(size_t(p.rows()) * p.hidden(), 0.);
    for (int b = 0; b < p.sequences(); ++b) {
        const std::vector<int> rows = alive_rows(p, b);
        for (int h = 0; h < p.heads; ++h)
            for (const int i : rows) {
                const float* query = &p.qkv[size_t(i) * width + h * p.head_size];
                std::vector<double> probability;
                double sum = 0;
                for (const int j : rows) {
                    const float* key = &p.qkv[size_t(j) * width + p.hidden() + h * p.head_size];
                    double dot = 0;
                    for (int c = 0; c < p.head_size; ++c) dot += double(query[c]) * key[c];
                    probability.push_back(std::exp(dot / std::sqrt(double(p.head_size))));
                    sum += probability.back();
                }
                for (size_t k = 0; k < rows.size(); ++k) {
                    const double weight = probability[k] / sum;
                    const float* value =
                        &p.qkv[size_t(rows[k]) * width + 2 * p.hidden() + h * p.head_size];
                    double* context = &result.context[size_t(i) * p.hidden() + h * p.head_size];
                    result.score[rows[k]] += weight;
                    for (int c = 0; c < p.head_size; ++c) context[c] += weight * value[c];
                }
            }
    }
    return result;
}

Decision reference_decision(const Problem& p, const Attention& attention,
                            const ltp::PruningRule& rule, double closeness) {
    Decision decision;
    decision.survives.assign(p.rows(), false);
    decision.doubtful.assign(p.rows(), false);
    for (int b = 0; b < p.sequences(); ++b) {
        const std::vector<int> rows = alive_rows(p, b);
        if (rows.empty()) continue;
        const auto score = [&](int row) { return attention.score[row]; };
        const auto decide = [&](int row, double limit) {
            decision.survives[row] = !(score(row) < limit);
            decision.doubtful[row] = std::abs(score(row) - limit) < closeness * std::abs(limit);
        };
        const float threshold = rule.threshold;
        if (rule.mode == ltp::Mode::Absolute) {
            const int length = rule.score_length ? rule.score_length : p.lengths[b];
            for (const int row : rows) decide(row, double(threshold) * p.heads * length);
        } else if (rule.mode == ltp::Mode::Relative && threshold > 0) {
            double best = 0;
            for (const int row : rows) best = std::max(best, score(row));
            for (const int row : rows) decide(row, double(threshold) * best);
        } else if (rule.mode == ltp::Mode::TopK && threshold != 1.f) {
            std::vector<int> ranking(rows);
            std::sort(ranking.begin() + rule.keep_first, ranking.end(), [&](int a, int c) {
                return score(a) != score(c) ? score(a) > score(c) : a < c;
            });
            const float product = static_cast<float>(p.lengths[b]) * threshold;
            const int wanted =
                std::max(static_cast<int>(std::nearbyint(product)), int{rule.keep_first});
            const int keep = std::min(wanted, static_cast<int>(rows.size()));
            for (int k = 0; k < keep; ++k) decision.survives[ranking[k]] = true;
            if (keep < static_cast<int>(rows.size()))
                for (const int row : rows)
                    for (int k = std::max(0, keep - 1); k <= keep; ++k)
                        if (ranking[k] != row &&
                            std::abs(score(row) - score(ranking[k])) < closeness * score(row))
                            decision.doubtful[row] = true;
        } else {
            for (const int row : rows) decision.survives[row] = true;
        }
        if (rule.keep_first) {
            decision.survives[rows[0]] = true;
            decision.doubtful[rows[0]] = false;
        }
    }
    return decision;
}

}  // namespace test
