#pragma once

#include <condition_variable>
#include <mutex>
#include <openvino/openvino.hpp>
#include <vector>

namespace ltp {

/// As many infer requests as OpenVINO runs side by side; more callers wait for one.
class RequestPool {
public:
    explicit RequestPool(ov::CompiledModel& compiled) {
        for (auto n = compiled.get_property(ov::optimal_number_of_infer_requests); n > 0; --n)
            idle_.push_back(compiled.create_infer_request());
    }

    /// A request for one caller alone, back in the pool at the end of its scope.
    class Lease {
    public:
        explicit Lease(RequestPool& pool) : pool_(pool), request_(pool.take()) {}
        ~Lease() { pool_.put_back(std::move(request_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ov::InferRequest* operator->() { return &request_; }

    private:
        RequestPool& pool_;
        ov::InferRequest request_;
    };

private:
    ov::InferRequest take() {
        std::unique_lock lock(mutex_);
        returned_.wait(lock, [this] { return !idle_.empty(); });
        ov::InferRequest request = std::move(idle_.back());
        idle_.pop_back();
        return request;
    }

    void put_back(ov::InferRequest request) {
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(request));  // never reallocates: its capacity held them all
        returned_.notify_one();
    }

    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<ov::InferRequest> idle_;
};

}  // namespace ltp
