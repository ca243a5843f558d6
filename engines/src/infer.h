// Running an infer request of OpenVINO.
#pragma once

#include <openvino/runtime/infer_request.hpp>

namespace ltp {

/// Throws what went wrong. `request.infer()` of OpenVINO 2026.4 does not where it computes with one
/// thread, and the request keeps the outputs of the one before.
inline void infer(ov::InferRequest& request) {
    request.start_async();
    request.wait();
}

}  // namespace ltp
