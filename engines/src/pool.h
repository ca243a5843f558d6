#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace ltp {

/// Things that threads share, each lent to one caller at a time; more callers wait for one.
template <typename Item>
class Pool {
public:
    explicit Pool(std::vector<Item> items) : idle_(std::move(items)) {}

    /// One item, back in the pool at the end of its scope.
    class Lease {
    public:
        explicit Lease(Pool& pool) : pool_(pool), item_(pool.take()) {}
        ~Lease() { pool_.put_back(std::move(item_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Item& operator*() { return item_; }
        Item* operator->() { return &item_; }

    private:
        Pool& pool_;
        Item item_;
    };

private:
    Item take() {
        std::unique_lock lock(mutex_);
        // Plain `wait` is a symbol of GCC 12's library; with this one that of GCC 11 does, which
        // is what wheels ask for (docs/install.md).
        while (idle_.empty()) returned_.wait_for(lock, std::chrono::hours(1));
        Item item = std::move(idle_.back());
        idle_.pop_back();
        return item;
    }

    void put_back(Item item) {
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(item));  // never reallocates: there is room for all of them
        returned_.notify_one();
    }

    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<Item> idle_;
};

}  // namespace ltp
