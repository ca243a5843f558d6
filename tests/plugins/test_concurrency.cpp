// Many threads in the op at once must not see each other. Uses only std::thread, so that
// ThreadSanitizer sees all.
#include <thread>

#include "check.h"
#include "run.h"

namespace {

using namespace ltp;

bool same(const test::Result& a, const test::Result& b) {
    return a.context == b.context && a.kept == b.kept && a.offsets == b.offsets &&
           a.alive == b.alive;
}

}  // namespace

int main() {
    constexpr int kThreads = 8, kRepeats = 10;
    const PruningRule rule{Mode::Absolute, 0.02f, 0, false};
    test::Random random(1);
    std::vector<std::thread> threads;
    std::vector<int> different(kThreads, 0);
    for (int t = 0; t < kThreads; ++t) {
        const std::vector<int> lengths{5 * t, 1, 40, 90 - 10 * t};
        test::Problem problem = test::random_problem(
            random, 2, t % 2 ? 32 : 64, t % 3 ? Element::F32 : Element::BF16, lengths, 0.1);
        threads.emplace_back([&rule, &different, t, problem = std::move(problem)] {
            const Precision precision = t % 4 < 2 ? Precision::F32 : Precision::BF16;
            const Kernel& kernel = select_kernel(precision);
            const test::Result alone =
                test::run(problem, rule, Carry::Survivors, kernel, test::serial_for);
            for (int i = 0; i < kRepeats; ++i)
                different[t] += !same(
                    alone, test::run(problem, rule, Carry::Survivors, kernel, test::threaded_for));
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (int t = 0; t < kThreads; ++t)
        CHECK(different[t] == 0, "thread", t, "differs", different[t], "times");
    return test::report("concurrency");
}
