// ParallelFor on the threads that OpenVINO gave the infer request.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <openvino/core/parallel.hpp>

namespace ltp {

inline int arena_threads() { return std::max(1, parallel_get_max_threads()); }

/// Threads of the caller's arena take tasks in order, one at a time.
inline void arena_parallel_for(int count, const std::function<void(int)>& body) {
    std::atomic<int> next{0};
    ov::parallel_nt(std::max(1, std::min(count, arena_threads())), [&](int, int) {
        for (int task = next++; task < count; task = next++) body(task);
    });
}

}  // namespace ltp
