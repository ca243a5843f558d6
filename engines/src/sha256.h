#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ltp {

// Our own, since a bundle's hundreds of megabytes are hashed whenever it is loaded: with the CPU's
// SHA instructions that goes at 1350 MB/s, and at 235 with Boost.Hash2, the one kept library that
// pip installs and needs no other files.

using Sha256State = std::array<std::uint32_t, 8>;
/// Hashes `count` blocks of 64 bytes into `state`.
using Sha256Blocks = void (*)(Sha256State& state, const std::uint8_t* data, std::size_t count);

extern const std::array<std::uint32_t, 64> sha256_constants;

void sha256_portable(Sha256State&, const std::uint8_t*, std::size_t);
/// The CPU's own SHA instructions, several times faster; null where it has none.
Sha256Blocks sha256_hardware();
/// The faster of the two.
Sha256Blocks sha256_fastest();

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256_bytes(std::string_view data, Sha256Blocks blocks = sha256_fastest());
/// In lower-case hex.
std::string sha256(std::string_view data, Sha256Blocks blocks = sha256_fastest());

}  // namespace ltp
