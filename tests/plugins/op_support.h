// What the tests of OpenVINO operations share.
#pragma once

#include <cstring>
#include <memory>
#include <openvino/openvino.hpp>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace test {

template <class T>
ov::Tensor tensor(const std::vector<T>& values, const ov::Shape& shape) {
    ov::Tensor result(ov::element::from<T>(), shape);
    if (!values.empty()) std::memcpy(result.data(), values.data(), values.size() * sizeof(T));
    return result;
}

template <class T>
std::vector<T> output(ov::InferRequest& request, size_t i) {
    const ov::Tensor result = request.get_output_tensor(i);
    return {result.data<const T>(), result.data<const T>() + result.get_size()};
}

template <class Call>
void refused(const char* because, Call call) {
    std::string message = "nothing thrown";
    try {
        call();
    } catch (const ov::Exception& error) {
        message = error.what();
    }
    CHECK(message.find(because) != std::string::npos, "expected", because, "found", message);
}

/// Several infer requests of one model on two streams; differences(request, i) runs one as often as
/// it likes and counts the wrong answers.
template <class Differences>
void in_parallel(ov::Core& core, const std::shared_ptr<ov::Model>& model, Differences differences) {
    constexpr int kRequests = 8;
    auto compiled =
        core.compile_model(model, "CPU",
                           {ov::hint::performance_mode(ov::hint::PerformanceMode::THROUGHPUT),
                            ov::hint::inference_precision(ov::element::f32), ov::num_streams(2)});
    std::vector<std::thread> threads;
    std::vector<int> different(kRequests, 0);
    for (int t = 0; t < kRequests; ++t)
        threads.emplace_back([&, t, request = compiled.create_infer_request()]() mutable {
            different[t] = differences(request, t);
        });
    for (auto& thread : threads) thread.join();
    for (int t = 0; t < kRequests; ++t)
        CHECK(different[t] == 0, "request", t, "differs", different[t], "times");
}

}  // namespace test
