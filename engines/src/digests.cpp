#include "digests.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

#include "sha256.h"

namespace ltp {
namespace {

constexpr std::size_t kPiece = std::size_t{4} << 20;  // bytes

struct Piece {
    std::string_view data;
    Sha256 hash;
};

/// As many as may run at the same time.
std::size_t available_threads() {
    cpu_set_t allowed;
    const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;  // not of huge machines
    return std::max<std::size_t>(known ? CPU_COUNT(&allowed) : std::thread::hardware_concurrency(),
                                 1);
}

void hash(std::vector<Piece>& pieces) {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i; (i = next++) < pieces.size();)
            pieces[i].hash = sha256_bytes(pieces[i].data);
    };
    std::vector<std::thread> others;
    others.reserve(std::min(available_threads(), pieces.size()));
    try {
        while (others.size() + 1 < others.capacity()) others.emplace_back(work);
    } catch (const std::system_error&) {  // the system has no more threads: fewer will do
    }
    work();
    for (std::thread& other : others) other.join();
}

}  // namespace

std::vector<std::string> digests(const std::vector<std::string_view>& files) {
    std::vector<Piece> pieces;
    for (const std::string_view file : files)
        for (std::size_t at = 0; at < file.size(); at += kPiece)
            pieces.push_back({file.substr(at, kPiece), {}});
    hash(pieces);

    std::vector<std::string> found;
    auto piece = pieces.begin();
    for (const std::string_view file : files) {
        std::string hashes;
        for (std::size_t at = 0; at < file.size(); at += kPiece, ++piece)
            hashes.append(piece->hash.begin(), piece->hash.end());
        found.push_back(sha256(hashes));
    }
    return found;
}

}  // namespace ltp
