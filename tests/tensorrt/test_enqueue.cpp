// What reaches the kernels, and what does not: empty tensors, null pointers, errors.
#include <algorithm>

#include "../plugins/check.h"
#include "fake_cuda.h"
#include "node.h"

namespace {

using test::launch;
using test::Node;

constexpr int hidden = 12 * 64;

/// A node's tensors in host memory. Outputs start out as 7 everywhere.
struct Call {
    Call(ltp::Carry carry, std::int64_t rows, std::int64_t sequences)
        : carry(carry),
          rows(rows),
          sequences(sequences),
          qkv(rows * hidden * 3),
          numbers(rows + sequences + 1) {
        const std::int64_t carried = carry == ltp::Carry::First ? sequences : rows;
        context.assign(carried * hidden, 7);
        for (auto* output : {&kept, &alive}) output->assign(carried, 7);
        offsets.assign(sequences + 1, 7);
        in = {qkv.data(), numbers.data(), numbers.data() + 1, numbers.data() + 2};
        out = {context.data(), kept.data(), offsets.data(), alive.data()};
        if (carry == ltp::Carry::Survivors) out.push_back(&count);
    }

    std::int32_t enqueue() {
        Node node;
        node.carry = static_cast<std::int32_t>(carry);
        nvinfer1::PluginTensorDesc desc[4]{};
        desc[0].dims = {2, {rows, 3 * hidden}};
        desc[1].dims = {1, {sequences + 1}};
        desc[2].dims = {1, {rows}};
        desc[3].dims = {1, {sequences}};
        const auto plugin = test::create(node);
        return test::runtime(*plugin).enqueue(desc, nullptr, in.data(), out.data(), &count,
                                              nullptr);
    }

    ltp::Carry carry;
    std::int64_t rows, sequences;
    std::vector<std::uint16_t> qkv, context;
    std::vector<std::int32_t> numbers, kept, offsets, alive;
    std::int32_t count = 7;
    std::vector<const void*> in;
    std::vector<void*> out;
};

void arguments() {
    for (const ltp::Carry carry :
         {ltp::Carry::All, ltp::Carry::Survivors, ltp::Carry::First, ltp::Carry::Bounded}) {
        Call call(carry, 20, 3);
        launch = {};
        CHECK(call.enqueue() == 0 && launch.count == 1, "carry", static_cast<int>(carry));
        CHECK(launch.layer.heads == 12 && launch.layer.head_size == 64, launch.layer.heads,
              launch.layer.head_size);
        CHECK(launch.layer.carry == carry && launch.layer.rule.mode == ltp::Mode::Absolute,
              "carry or mode");
        CHECK(launch.layer.rule.threshold == 0.01f && launch.layer.rule.score_length == 128,
              "rule");
        CHECK(launch.layer.rule.keep_first, "keep_first");
        CHECK(launch.in.rows == 20 && launch.in.sequences == 3, launch.in.rows,
              launch.in.sequences);
        const std::vector<const void*> in = {launch.in.qkv, launch.in.offsets, launch.in.alive,
                                             launch.in.lengths};
        CHECK(in == call.in, "the inputs are another's");
        std::vector<void*> out = {launch.out.context, launch.out.kept, launch.out.offsets,
                                  launch.out.alive};
        if (carry == ltp::Carry::Survivors) out.push_back(launch.out.count);
        CHECK(out == call.out, "the outputs are another's");
        CHECK((launch.out.count != nullptr) == (carry == ltp::Carry::Survivors), "count");
        CHECK(launch.workspace == &call.count, "workspace");
    }
}

template <class Values>
bool all_are(const Values& values, int wanted) {
    return std::all_of(values.begin(), values.end(), [&](auto value) { return value == wanted; });
}

void empty_tensors() {
    launch = {};
    for (const ltp::Carry carry :
         {ltp::Carry::All, ltp::Carry::Survivors, ltp::Carry::First, ltp::Carry::Bounded})
        for (const auto& [rows, sequences] : {std::pair{0, 3}, {5, 0}, {0, 0}}) {
            Call call(carry, rows, sequences);
            CHECK(call.enqueue() == 0, "carry", static_cast<int>(carry), "rows", rows, "sequences",
                  sequences);
            CHECK(all_are(call.offsets, 0), "offsets of nothing");
            if (carry == ltp::Carry::Survivors) {
                CHECK(call.count == 0, "count of nothing", call.count);
                CHECK(all_are(call.context, 7) && all_are(call.kept, 7),
                      "written beyond a count of 0");
            } else {
                CHECK(all_are(call.context, 0) && all_are(call.kept, 0) && all_are(call.alive, 0),
                      "rows of nothing");
                CHECK(call.count == 7, "there is no count to write");
            }
            std::fill(call.in.begin(), call.in.end(), nullptr);
            std::fill(call.out.begin(), call.out.end(), nullptr);
            CHECK(call.enqueue() == 0, "empty and null");
        }
    CHECK(launch.count == 0, "the kernels were launched on nothing");
}

void refusals() {
    launch = {};
    for (std::size_t i = 0; i < 9; ++i) {
        Call call(ltp::Carry::Survivors, 5, 2);
        if (i < 4)
            call.in[i] = nullptr;
        else
            call.out[i - 4] = nullptr;
        CHECK(call.enqueue() != 0, "tensor", i, "is null");
    }
    CHECK(launch.count == 0, "the kernels were launched on null pointers");
    launch.answer = cudaErrorInvalidConfiguration;
    CHECK(Call(ltp::Carry::All, 5, 2).enqueue() != 0, "an error of the kernels was lost");
}

/// A plugin that is attached has its kernels: a first launch may be captured.
void loading() {
    for (const bool runs : {false, true}) {  // one that is built may have no GPU
        const Node node;
        const auto plugin = test::create(node.fields(), runs ? nvinfer1::TensorRTPhase::kRUNTIME
                                                             : nvinfer1::TensorRTPhase::kBUILD);
        const test::PluginPointer copy(plugin->clone());
        test::loading = {};
        CHECK(test::PluginPointer(test::runtime(*copy).attachToContext(nullptr)), "attached");
        CHECK(test::loading.count == runs, test::loading.count);
        test::loading.answer = cudaErrorInvalidConfiguration;
        const test::PluginPointer attached(test::runtime(*copy).attachToContext(nullptr));
        CHECK(!attached == runs, "an error of loading was lost, or one was made");
    }
}

}  // namespace

int main() {
    loading();
    arguments();
    empty_tensors();
    refusals();
    return test::report("enqueue");
}
