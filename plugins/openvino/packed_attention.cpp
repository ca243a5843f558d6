#include "packed_attention.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "../common/survivors.h"
#include "scratch.h"

namespace ltp {
namespace {

enum class Fate : uint8_t {
    Pruned,
    Survives,
    Finishing,  // the first token, just pruned: it goes on alone, with the context of this layer
};

class PackedAttention {
public:
    PackedAttention(const PackedInput& in, const PruningRule& rule, Carry carry,
                    const Kernel& kernel, ParallelFor parallel_for, const PackedOutput& out)
        : in_(in),
          rule_(rule),
          carry_(carry),
          kernel_(kernel),
          parallel_for_(parallel_for),
          out_(out),
          head_size_(in.hidden / in.heads),
          element_size_(in.element == Element::F32 ? 4 : 2),
          alive_rows_(in.rows),
          alive_count_(in.sequences),
          context_row_(in.sequences),
          fate_(in.rows, Fate::Pruned) {
        if (prunes(rule)) column_sums_.resize(size_t(in.rows) * in.heads);
    }

    int run() {
        find_alive_rows();
        attend();
        for (int b = 0; b < in_.sequences; ++b) decide(b);
        const int carried = carry_rows();
        place_context(carried);
        return carried;
    }

private:
    int first_row(int b) const { return in_.offsets[b]; }
    int row_count(int b) const { return in_.offsets[b + 1] - in_.offsets[b]; }

    /// A sequence whose first token is pruned is finished: nothing in it can reach the classifier
    /// any more.
    void find_alive_rows() {
        int sequences_before = 0;  // not counting empty ones
        for (int b = 0; b < in_.sequences; ++b) {
            const int first = first_row(b), rows = row_count(b);
            context_row_[b] = carry_ == Carry::First ? sequences_before : first;
            if (rows > 0) ++sequences_before;
            int count = 0;
            if (rows > 0 && in_.alive[first])
                for (int r = 0; r < rows; ++r)
                    if (in_.alive[first + r]) alive_rows_[first + count++] = r;
            alive_count_[b] = count;
        }
    }

    /// One task per (sequence, head), long sequences first so that the last tasks to end are short
    /// ones.
    void attend() {
        std::vector<int> order;
        for (int b = 0; b < in_.sequences; ++b)
            if (alive_count_[b] > 0) order.push_back(b);
        std::sort(order.begin(), order.end(),
                  [&](int a, int b) { return alive_count_[a] > alive_count_[b]; });
        parallel_for_(static_cast<int>(order.size()) * in_.heads,
                      [&](int task) { attend(order[task / in_.heads], task % in_.heads); });
    }

    void attend(int b, int head) {
        const size_t first = first_row(b), column = size_t(head) * head_size_;
        const char* query =
            static_cast<const char*>(in_.qkv) + (first * 3 * in_.hidden + column) * element_size_;

        HeadTask task;
        task.query = query;
        task.key = query + in_.hidden * element_size_;
        task.value = query + 2 * in_.hidden * element_size_;
        task.stride = size_t(3) * in_.hidden;
        task.rows = alive_rows_.data() + first;
        task.count = alive_count_[b];
        task.head_size = head_size_;
        task.context = static_cast<char*>(out_.context) +
                       (size_t(context_row_[b]) * in_.hidden + column) * element_size_;
        task.context_stride = in_.hidden;
        task.context_rows = carry_ == Carry::First ? 1 : task.count;
        task.column_sums = prunes(rule_) ? column_sums(b, head) : nullptr;

        thread_local Scratch scratch;
        void* memory = scratch.get(kernel_.scratch_bytes(task.count, head_size_));
        const auto& kernel =
            carry_ == Carry::First && !prunes(rule_) ? kernel_.attend_first : kernel_.attend;
        kernel[static_cast<int>(in_.element)](task, memory);
    }

    float* column_sums(int b, int head) {
        return column_sums_.data() + size_t(first_row(b)) * in_.heads +
               size_t(head) * alive_count_[b];
    }

    void decide(int b) {
        const int count = alive_count_[b];
        if (count == 0) return;
        std::vector<float> scores;
        if (prunes(rule_)) {
            scores.assign(column_sums(b, 0), column_sums(b, 0) + count);
            for (int h = 1; h < in_.heads; ++h)
                for (int i = 0; i < count; ++i) scores[i] += column_sums(b, h)[i];
        }
        std::vector<uint8_t> survives(count);
        select_survivors(rule_, in_.heads, in_.lengths[b], scores.data(), count, survives.data());
        Fate* fate = fate_.data() + first_row(b);
        if (!survives[0]) {
            fate[0] = Fate::Finishing;
            return;
        }
        for (int i = 0; i < count; ++i)
            if (survives[i]) fate[alive_rows_[first_row(b) + i]] = Fate::Survives;
    }

    int carry_rows() const {
        int carried = 0;
        out_.offsets[0] = 0;
        for (int b = 0; b < in_.sequences; ++b) {
            const int rows = carry_ == Carry::First ? std::min(row_count(b), 1) : row_count(b);
            for (int r = 0; r < rows; ++r) {
                const int row = first_row(b) + r;
                const bool survives = fate_[row] == Fate::Survives;
                if (carry_ == Carry::Survivors && r > 0 && !survives) continue;
                out_.kept[carried] = row;
                out_.alive[carried] = survives;
                ++carried;
            }
            out_.offsets[b + 1] = carried;
        }
        return carried;
    }

    /// Moves the carried rows of the context to the front and clears those that have none. Rows
    /// only move forward over rows that have already moved, so columns may be shared out among
    /// threads but rows may not.
    void place_context(int carried) const {
        const size_t row_bytes = in_.hidden * element_size_;
        const int slices = carried * row_bytes < kSharedMove ? 1 : in_.heads;
        const size_t slice_bytes = row_bytes / slices;
        parallel_for_(slices, [&](int slice) {
            char* column = static_cast<char*>(out_.context) + slice * slice_bytes;
            for (int i = 0; i < carried; ++i) {
                const int row = out_.kept[i], computed_at = carry_ == Carry::First ? i : row;
                if (fate_[row] == Fate::Pruned)
                    std::memset(column + i * row_bytes, 0, slice_bytes);
                else if (computed_at != i)
                    std::memcpy(column + i * row_bytes, column + computed_at * row_bytes,
                                slice_bytes);
            }
        });
    }

    static constexpr size_t kSharedMove = size_t{1}
                                          << 18;  // bytes from which it pays to wake other threads

    const PackedInput& in_;
    const PruningRule& rule_;
    const Carry carry_;
    const Kernel& kernel_;
    const ParallelFor parallel_for_;
    const PackedOutput& out_;
    const int head_size_;
    const size_t element_size_;
    std::vector<int32_t>
        alive_rows_;  // [T] at offsets[b]: the alive rows of sequence b, counted from its first
    std::vector<int> alive_count_;  // [B] 0 for a finished sequence
    std::vector<int> context_row_;  // [B] output row where the context of the sequence is computed
    std::vector<Fate> fate_;        // [T]
    std::vector<float> column_sums_;  // [T * heads] at offsets[b] * heads: [heads][alive_count[b]]
};

}  // namespace

int row_capacity(const PackedInput& input, Carry carry) {
    return carry == Carry::First ? std::min(input.rows, input.sequences) : input.rows;
}

int packed_attention(const PackedInput& input, const PruningRule& rule, Carry carry,
                     const Kernel& kernel, ParallelFor parallel_for, const PackedOutput& output) {
    return PackedAttention(input, rule, carry, kernel, parallel_for, output).run();
}

}  // namespace ltp
