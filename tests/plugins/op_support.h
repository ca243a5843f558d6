// What the tests of OpenVINO operations share.
#pragma once

#include <cstring>
#include <openvino/openvino.hpp>
#include <string>
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

}  // namespace test
