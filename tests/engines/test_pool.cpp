// The pool of requests, without OpenVINO, so that ThreadSanitizer sees everything.
#include "pool.h"

#include <memory>
#include <stdexcept>
#include <thread>

#include "../plugins/check.h"

namespace {

void one_user_each() {
    constexpr int threads = 8, rounds = 1000;
    auto first = std::make_shared<int>(0), second = std::make_shared<int>(0);
    ltp::Pool<std::shared_ptr<int>> pool({first, second});
    std::vector<std::thread> users;
    for (int t = 0; t < threads; ++t)
        users.emplace_back([&] {
            for (int i = 0; i < rounds; ++i) {
                ltp::Pool<std::shared_ptr<int>>::Lease lease(pool);
                ++**lease;  // a data race, were the item lent twice
            }
        });
    for (auto& user : users) user.join();
    CHECK(*first + *second == threads * rounds, *first, *second);
}

void returned_after_exceptions() {
    ltp::Pool<int> pool({1});
    for (int i = 0; i < 3; ++i) try {
            ltp::Pool<int>::Lease lease(pool);
            throw std::runtime_error("");
        } catch (const std::runtime_error&) {
        }
    ltp::Pool<int>::Lease lease(pool);  // would wait for ever, had one been lost
    CHECK(*lease == 1, "item");
}

}  // namespace

int main() {
    one_user_each();
    returned_after_exceptions();
    return test::report("pool");
}
