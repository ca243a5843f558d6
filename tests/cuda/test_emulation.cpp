// The emulation itself: rounding to half, and whether it notices what a GPU would punish. With the
// argument `divergent` the program must not get past a barrier that not all threads reach.
#include <cmath>
#include <cstring>

#include "check.h"
#include "cuda_fp16.h"

namespace {

constexpr unsigned kThreads = 96;

struct Shared {
    int value[kThreads];
};

void rounding_is_to_nearest_even() {
    for (unsigned bits = 0; bits < 0x7c00; ++bits) {
        const __half half{static_cast<std::uint16_t>(bits)},
            next{static_cast<std::uint16_t>(bits + 1)};
        const float low = __half2float(half),
                    high = bits + 1 < 0x7c00 ? __half2float(next) : 65536.f;
        const float middle = (low + high) / 2, even = bits % 2 ? high : low;
        CHECK(__float2half_rn(low).bits == bits && __float2half_rn(-low).bits == (bits | 0x8000),
              bits);
        CHECK(__float2half_rn(std::nextafter(middle, 0.f)).bits == bits, bits);
        CHECK(__float2half_rn(std::nextafter(middle, 1e9f)).bits == bits + 1, bits);
        CHECK(__float2half_rn(middle).bits == (even == low ? bits : bits + 1), bits);
    }
    CHECK(__half2float({0x3c00}) == 1.f && __half2float({0x0001}) == 0x1p-24f &&
              __half2float({0x7bff}) == 65504.f,
          "");
    CHECK(std::isnan(__half2float(__float2half_rn(NAN))) && std::isinf(__half2float({0x7c00})), "");
}

/// Each thread reads what its neighbour writes; how often that is wrong over some orders of the
/// threads.
int wrong_reads(bool with_barrier) {
    int wrong = 0;
    for (unsigned seed = 0; seed < 20; ++seed) {
        emulation::seed(seed);
        emulation::launch(1, 1, kThreads, [&] {
            LTP_SHARED(Shared, shared);
            const unsigned me = threadIdx.x;
            shared.value[me] = static_cast<int>(me);
            if (with_barrier) __syncthreads();
            wrong += shared.value[(me + 1) % kThreads] != static_cast<int>((me + 1) % kThreads);
        });
    }
    return wrong;
}

/// The last of several blocks reads what all of them added up.
bool last_block_sees_all(bool with_fence) {
    constexpr unsigned kBlocks = 4;
    unsigned long long sum = 0, seen = 0;
    unsigned done = 0;
    emulation::launch(kBlocks, 1, kThreads, [&] {
        atomicAdd(&sum, 1ull);
        __syncthreads();
        bool last = false;
        if (threadIdx.x == 0) {
            if (with_fence) __threadfence();
            last = atomicAdd(&done, 1u) == kBlocks - 1;
        }
        if (__syncthreads_or(last)) seen = __ldcg(&sum);
    });
    CHECK(sum == kBlocks * kThreads, "after the launch all is there", sum);
    return seen == sum;
}

void warps_exchange() {
    emulation::launch(2, 3, kThreads, [] {
        const unsigned me = threadIdx.x, lane = me % 32;
        CHECK(__shfl_xor_sync(~0u, me, 5) == (me ^ 5), me);
        CHECK(__ballot_sync(~0u, lane < 3) == 7u, me);
        CHECK(__syncthreads_count(me < 40) == 40, me);
        CHECK(__syncthreads_count(me < 50) == 50, me);
        CHECK(__syncthreads_or(me == 77) && !__syncthreads_or(false), me);
    });
}

}  // namespace

int main(int count, char** arguments) {
    if (count > 1 && std::strcmp(arguments[1], "divergent") == 0) {
        emulation::launch(1, 1, kThreads, [] {
            if (threadIdx.x != 7) __syncthreads();
        });
        return 0;
    }
    rounding_is_to_nearest_even();
    warps_exchange();
    CHECK(wrong_reads(true) == 0, "a barrier did not hold");
    CHECK(wrong_reads(false) > 0, "a missing barrier goes unnoticed");
    CHECK(last_block_sees_all(true), "a fence did not hold");
    CHECK(!last_block_sees_all(false), "a missing fence goes unnoticed");
    return test::report("cuda_emulation");
}
