#include "run.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

namespace test {

Result run(const Problem& problem, const ltp::PruningRule& rule, ltp::Carry carry,
           const ltp::Kernel& kernel, ltp::ParallelFor parallel_for) {
    const ltp::PackedInput input = problem.input();
    const size_t capacity = ltp::row_capacity(input, carry), values = capacity * problem.hidden();
    Result result;
    // Whatever the op leaves unwritten stays NaN and will not compare equal to anything.
    result.context.assign(values, std::numeric_limits<float>::quiet_NaN());
    std::vector<uint16_t> context_bf16(values, 0x7fc0);
    result.kept.assign(capacity, -1);
    result.alive.assign(capacity, -1);
    result.offsets.assign(problem.sequences() + 1, -1);
    const bool f32 = problem.element == ltp::Element::F32;
    void* context = f32 ? static_cast<void*>(result.context.data()) : context_bf16.data();
    const ltp::PackedOutput output{context, result.kept.data(), result.offsets.data(),
                                   result.alive.data()};
    const int rows = ltp::packed_attention(input, rule, carry, kernel, parallel_for, output);
    if (!f32)
        std::transform(context_bf16.begin(), context_bf16.end(), result.context.begin(), from_bf16);
    result.context.resize(size_t(rows) * problem.hidden());
    result.kept.resize(rows);
    result.alive.resize(rows);
    return result;
}

void serial_for(int count, const std::function<void(int)>& body) {
    for (int i = 0; i < count; ++i) body(i);
}

void threaded_for(int count, const std::function<void(int)>& body) {
    std::atomic<int> next{0};
    const auto work = [&] {
        for (int task = next++; task < count; task = next++) body(task);
    };
    std::thread other(work);
    work();
    other.join();
}

}  // namespace test
