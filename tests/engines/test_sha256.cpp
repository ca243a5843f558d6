// SHA-256 against FIPS 180-4's examples, and the two implementations against each other.
#include "sha256.h"

#include <cstdio>
#include <string>

#include "../plugins/check.h"

namespace {

void known(const char* name, ltp::Sha256Blocks blocks) {
    const auto check = [&](const std::string& data, const char* expected) {
        const std::string found = ltp::sha256(data, blocks);
        CHECK(found == expected, name, data.size(), "bytes:", found);
    };
    check("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check(std::string(1000000, 'a'),
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

void same() {
    const auto hardware = ltp::sha256_hardware();
    if (!hardware) return;
    std::string data;
    for (int i = 0; i < 300; ++i) {
        CHECK(ltp::sha256(data, hardware) == ltp::sha256(data, ltp::sha256_portable), i, "bytes");
        data += static_cast<char>(i * 37);
    }
}

}  // namespace

int main() {
    known("portable", ltp::sha256_portable);
    if (const auto hardware = ltp::sha256_hardware())
        known("hardware", hardware);
    else
        std::puts("this CPU has no SHA instructions: the portable code alone was tested");
    same();
    return test::report("sha256");
}
