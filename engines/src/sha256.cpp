#include "sha256.h"

#include <algorithm>

namespace ltp {

const std::array<std::uint32_t, 64> sha256_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

constexpr std::size_t block_size = 64;

std::uint32_t rotate(std::uint32_t x, int bits) { return x >> bits | x << (32 - bits); }

}  // namespace

void sha256_portable(Sha256State& state, const std::uint8_t* data, std::size_t count) {
    for (; count > 0; --count, data += block_size) {
        std::array<std::uint32_t, 64> w;
        for (int i = 0; i < 16; ++i)
            w[i] = std::uint32_t{data[4 * i]} << 24 | data[4 * i + 1] << 16 | data[4 * i + 2] << 8 |
                   data[4 * i + 3];
        for (int i = 16; i < 64; ++i) {
            const std::uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] +
                   (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
        }
        auto [a, b, c, d, e, f, g, h] = state;
        for (int i = 0; i < 64; ++i) {
            const std::uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                                     ((e & f) ^ (~e & g)) + sha256_constants[i] + w[i];
            const std::uint32_t t2 =
                (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        const Sha256State sum = {a, b, c, d, e, f, g, h};
        for (int i = 0; i < 8; ++i) state[i] += sum[i];
    }
}

Sha256Blocks sha256_fastest() {
    static const Sha256Blocks hardware = sha256_hardware();
    return hardware ? hardware : sha256_portable;
}

Sha256 sha256_bytes(std::string_view data, Sha256Blocks blocks) {
    Sha256State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data());
    const std::size_t whole = data.size() / block_size, rest = data.size() % block_size;
    blocks(state, bytes, whole);
    // The last bytes, a bit that ends them, zeros, and the number of bits.
    std::array<std::uint8_t, 2 * block_size> tail{};
    std::copy_n(bytes + whole * block_size, rest, tail.begin());
    tail[rest] = 0x80;
    const std::size_t size = rest + 1 + 8 > block_size ? 2 * block_size : block_size;
    const std::uint64_t bits = std::uint64_t{data.size()} * 8;
    for (int i = 0; i < 8; ++i) tail[size - 1 - i] = static_cast<std::uint8_t>(bits >> 8 * i);
    blocks(state, tail.data(), size / block_size);

    Sha256 hash;
    for (std::size_t i = 0; i < hash.size(); ++i)
        hash[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    return hash;
}

std::string sha256(std::string_view data, Sha256Blocks blocks) {
    std::string hex;
    for (const std::uint8_t byte : sha256_bytes(data, blocks)) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
}

}  // namespace ltp
