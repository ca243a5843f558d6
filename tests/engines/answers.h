// What a toy engine answers, whatever runs it.
#pragma once

#include <algorithm>
#include <thread>
#include <vector>

#include "refused.h"

namespace test {

using Logits = std::vector<float>;

inline void answers(const ltp::Engine& engine) {
    // [sum of ids, sum of positions (from 2; id 1 is padding: 1), sum of types] per sequence
    const ltp::Result result = engine.run(ltp::pack({{5, 6, 7}, {1, 9}}, {{0, 1, 1}, {0, 0}}));
    CHECK(result.size() == 2 && result.num_labels == 3, result.size(), result.num_labels);
    CHECK(result.logits == Logits({18, 9, 2, 10, 3, 0}), result[0][0], result[0][1], result[1][1]);
    CHECK(result.best(0) == 0 && result.best(1) == 0, "best");
    CHECK(engine.run(ltp::pack({{0, 0, 0}})).best(0) == 1, "best");
    CHECK(engine.run(ltp::pack({{5}})).logits == Logits({5, 2, 0}),
          "types are 0 where none are given");
}

/// With up to `most` sequences in a batch.
inline void many_threads(const ltp::Engine& engine, int most) {
    std::vector<std::thread> threads;
    std::vector<int> wrong(8);
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) {
                const float id = static_cast<float>(2 + t * 100 + i);
                const std::vector<std::vector<std::int32_t>> same(1 + i % most,
                                                                  {static_cast<int>(id)});
                const ltp::Result result = engine.run(ltp::pack(same));
                wrong[t] += result.size() != same.size();
                for (std::size_t b = 0; b < result.size(); ++b) wrong[t] += result[b][0] != id;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(std::count(wrong.begin(), wrong.end(), 0) == 8, "answers got mixed up");
}

}  // namespace test
