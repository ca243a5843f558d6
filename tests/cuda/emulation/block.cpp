#include "block.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cuda_runtime_api.h"
#include "fiber.h"

uint3 threadIdx, blockIdx;

namespace emulation {
namespace {

enum class State { Ready, AtWarp, AtBlock, Done };

struct Thread {
    Fiber fiber;
    State state;
};

struct Warp {
    int order[kWarpSize];  // in which its lanes take turns
    int turn = 0;
    int ready = 0;
    int met = 0;
    const char* meeting = nullptr;
    void* brought[kWarpSize];
};

class Block {
public:
    std::minstd_rand random;

    void run(unsigned threads, const std::function<void()>& body) {
        body_ = &body;
        if (threads > threads_.size()) threads_.resize(threads);
        count_ = threads;
        warps_.assign(threads / kWarpSize, {});
        met_ = 0;
        for (unsigned t = 0; t < threads; ++t) {
            threads_[t].fiber.prepare(&Block::enter);
            threads_[t].state = State::Ready;
        }
        for (Warp& warp : warps_) {
            std::iota(warp.order, warp.order + kWarpSize, 0);
            std::shuffle(warp.order, warp.order + kWarpSize, random);
            warp.ready = kWarpSize;
        }
        warp_ = random() % warps_.size();
        current_ = -1;
        yield();
        ::operator delete(shared_, std::align_val_t{shared_alignment_});
        shared_ = nullptr;
    }

    int meet(const char* file, int line, bool predicate) {
        if (met_ > 0 && (line != line_ || (file != file_ && std::strcmp(file, file_) != 0)))
            divergent();
        file_ = file;
        line_ = line;
        votes_ = (met_ == 0 ? 0 : votes_) + predicate;
        stop(State::AtBlock);
        if (++met_ == count_) {
            met_ = 0;
            met_votes_ = votes_;
            for (int t = 0; t < count_; ++t) threads_[t].state = State::Ready;
            for (Warp& warp : warps_) {
                warp.turn = random() % kWarpSize;
                warp.ready = kWarpSize;
            }
            warp_ = random() % warps_.size();
        }
        yield();
        return met_votes_;
    }

    void* const* meet_warp(const char* what, void* mine) {
        if (random() % 64 == 0) {  // another warp may always overtake
            warp_ = random() % warps_.size();
            yield();
        }
        Warp& warp = warps_[current_ / kWarpSize];
        if (warp.met > 0 && what != warp.meeting && std::strcmp(what, warp.meeting) != 0)
            divergent();
        warp.meeting = what;
        warp.brought[current_ % kWarpSize] = mine;
        if (++warp.met < kWarpSize) {
            stop(State::AtWarp);
            yield();
            return nullptr;
        }
        warp.met = 0;
        warp.ready = kWarpSize;
        for (int lane = 0; lane < kWarpSize; ++lane)
            threads_[current_ / kWarpSize * kWarpSize + lane].state = State::Ready;
        return warp.brought;
    }

    void* shared_memory(std::size_t bytes, std::size_t alignment) {
        if (!shared_) {
            shared_ = ::operator new(bytes, std::align_val_t{alignment});
            std::memset(shared_, 0xff, bytes);  // NaN, read as floats or halves
            shared_bytes_ = bytes;
            shared_alignment_ = alignment;
        }
        if (bytes != shared_bytes_) fail("shared memory", "a kernel has one object of it");
        return shared_;
    }

private:
    static void enter();

    void stop(State state) {
        threads_[current_].state = state;
        --warps_[current_ / kWarpSize].ready;
    }

    /// Goes on with a thread that can; returns when it is the caller's turn again.
    void yield() {
        const int from = current_, to = next();
        if (to == from) return;
        Fiber& here = from < 0 ? host_ : threads_[from].fiber;
        resume(to);
        here.switch_to(to < 0 ? host_ : threads_[to].fiber);
        resume(from);
    }

    void resume(int thread) {
        current_ = thread;
        threadIdx.x = thread;
    }

    int next() {
        for (size_t tried = 0; tried < warps_.size();
             ++tried, warp_ = (warp_ + 1) % warps_.size()) {
            Warp& warp = warps_[warp_];
            if (warp.ready == 0) continue;
            for (;; warp.turn = (warp.turn + 1) % kWarpSize) {
                const int thread = warp_ * kWarpSize + warp.order[warp.turn];
                if (threads_[thread].state == State::Ready) return thread;
            }
        }
        for (int t = 0; t < count_; ++t)
            if (threads_[t].state != State::Done) divergent();
        return -1;
    }

    [[noreturn]] void divergent() const {
        std::string where;
        for (const Warp& warp : warps_)
            if (warp.met > 0)
                where += std::to_string(warp.met) + " lanes at " + warp.meeting + ", ";
        if (met_ > 0)
            where += std::to_string(met_) + " threads at " + file_ + ":" + std::to_string(line_);
        fail("divergent barrier", where.c_str());
    }

    const std::function<void()>* body_ = nullptr;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    Fiber host_;
    int count_ = 0, current_ = -1;
    size_t warp_ = 0;

    int met_ = 0, votes_ = 0, met_votes_ = 0, line_ = 0;
    const char* file_ = nullptr;

    void* shared_ = nullptr;
    std::size_t shared_bytes_ = 0, shared_alignment_ = 1;
};

Block block;

using Changes = std::vector<std::function<void()>>;
Changes posted, not_fenced;  // by this block, and by those before it

void make(Changes& changes) {
    for (const auto& change : changes) change();
    changes.clear();
}

#if defined(LTP_ADDRESS_SANITIZER)
__attribute__((no_sanitize_address))  // it never returns, so that nothing would clear what it marks
                                      // on the stack
#endif
void Block::enter() {
    Fiber::entered();
    (*block.body_)();
    block.stop(State::Done);
    block.yield();
    std::abort();
}

}  // namespace

void seed(unsigned seed) { block.random.seed(seed); }

void launch(unsigned grid_x, unsigned grid_y, unsigned threads,
            const std::function<void()>& thread) {
    if (grid_x == 0 || grid_y == 0 || threads == 0 || threads % kWarpSize)
        fail("launch", "empty grid or odd block");
    std::vector<unsigned> order(size_t(grid_x) * grid_y);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), block.random);
    for (const unsigned index : order) {
        blockIdx = {index % grid_x, index / grid_x, 0};
        block.run(threads, thread);
        not_fenced.insert(not_fenced.end(), posted.begin(), posted.end());
        posted.clear();
    }
    make(not_fenced);
}

int meet_block(const char* file, int line, bool predicate) {
    return block.meet(file, line, predicate);
}
void* const* meet_warp(const char* what, void* mine) { return block.meet_warp(what, mine); }
void post(std::function<void()> change) { posted.push_back(std::move(change)); }
void fence() { make(posted); }
void* shared_memory(std::size_t bytes, std::size_t alignment) {
    return block.shared_memory(bytes, alignment);
}

void fail(const char* what, const char* where) {
    std::fprintf(stderr, "emulation: %s: %s\n", what, where);
    std::fflush(stderr);
    std::_Exit(EXIT_FAILURE);
}

}  // namespace emulation
