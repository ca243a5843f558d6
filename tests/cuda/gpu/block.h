// In place of the emulation's: a GPU has an order of its own, different each time.
#pragma once

namespace emulation {

inline void seed(unsigned) {}

}  // namespace emulation
