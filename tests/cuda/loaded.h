// What the kernels' launcher asked the emulated runtime for when it loaded them.
#pragma once

#include <map>

namespace test {

inline std::map<const void*, int> carveouts;  // by the kernel's address
inline int load_fails_after = -1;             // so many kernels; never

}  // namespace test
