#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string_view>

#include "memory.h"

namespace ltp {

class LeaseGuard;

/// A file that is mapped under a lease: whoever opens it for writing, or truncates it, waits until
/// a copy has taken the mapping's place, at the same address.
class Lease {
public:
    /// Takes `descriptor` over where it succeeds. Null where the system grants no lease: on files
    /// of other users, on files that are open for writing, on most network file systems.
    static std::unique_ptr<Lease> take(int descriptor);

    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    std::string_view data() const { return memory_.data(); }
    /// False once the memory is a copy.
    bool held() const { return held_; }

private:
    friend class LeaseGuard;

    Lease(LeaseGuard& guard, int descriptor, Memory memory);
    /// If someone waits to write to the file: goes on with a copy, and ends.
    void serve();
    void end();

    LeaseGuard& guard_;
    const int descriptor_;
    Memory memory_;
    std::atomic<bool> held_{true};
};

}  // namespace ltp
