#include "lease.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace ltp {

/// The thread that the kernel tells of writers who wait, by the signal SIGIO. They wait for as many
/// seconds as /proc/sys/fs/lease-break-time says, 45 as a rule.
class LeaseGuard {
public:
    /// This process's guard: a forked process has none of its own yet. It lives as long as the
    /// process, since its thread does.
    static LeaseGuard& instance() {
        static std::mutex mutex;
        static LeaseGuard* guard = nullptr;
        const std::lock_guard lock(mutex);
        if (!guard || !guard->in_this_process()) guard = new LeaseGuard;
        return *guard;
    }

    bool in_this_process() const { return process_ == getpid(); }

    std::unique_ptr<Lease> take(int descriptor) {
        const std::lock_guard lock(mutex_);
        leases_.reserve(leases_.size() + 1);
        // First the owner: until there is one the signal goes to the process, and would end it.
        const f_owner_ex owner{F_OWNER_TID, thread_};
        if (fcntl(descriptor, F_SETOWN_EX, &owner) != 0 ||
            fcntl(descriptor, F_SETLEASE, F_RDLCK) != 0)
            return nullptr;
        try {
            std::unique_ptr<Lease> lease(new Lease(*this, descriptor, Memory::mapped(descriptor)));
            leases_.push_back(lease.get());
            return lease;
        } catch (const std::system_error&) {  // what cannot be mapped can be copied
            fcntl(descriptor, F_SETLEASE, F_UNLCK);
            return nullptr;
        }
    }

    void end(Lease& lease) {
        const std::lock_guard lock(mutex_);
        leases_.erase(std::remove(leases_.begin(), leases_.end(), &lease), leases_.end());
        lease.end();
    }

private:
    LeaseGuard() : process_(getpid()) {
        std::promise<pid_t> promise;
        std::future<pid_t> number = promise.get_future();
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);  // so that the thread takes none of these
        try {
            std::thread([this, promise = std::move(promise)]() mutable {
                promise.set_value(static_cast<pid_t>(syscall(SYS_gettid)));
                watch();
            }).detach();
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        thread_ = number.get();
    }

    [[noreturn]] void watch() {
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGIO);
        while (true) {
            sigwaitinfo(&wanted, nullptr);
            const std::lock_guard lock(mutex_);
            for (Lease* lease : leases_) lease->serve();
        }
    }

    const pid_t process_;
    pid_t thread_ = 0;
    std::mutex mutex_;  // held while leases are taken, served and ended
    std::vector<Lease*> leases_;
};

std::unique_ptr<Lease> Lease::take(int descriptor) {
    return LeaseGuard::instance().take(descriptor);
}

Lease::Lease(LeaseGuard& guard, int descriptor, Memory memory)
    : guard_(guard), descriptor_(descriptor), memory_(std::move(memory)) {}

Lease::~Lease() {
    if (guard_.in_this_process())
        guard_.end(*this);
    else if (held_)
        close(descriptor_);  // the lease is still that of the process that forked this one
}

void Lease::serve() {
    if (!held_ || fcntl(descriptor_, F_GETLEASE) == F_RDLCK) return;
    memory_.detach();  // where there is no memory for a copy, the guard must go on all the same
    end();
}

void Lease::end() {
    if (!held_.exchange(false)) return;
    fcntl(descriptor_, F_SETLEASE, F_UNLCK);  // a forked process may still have the file open
    close(descriptor_);
}

}  // namespace ltp
