// Picks the right size of a register-blocked matrix product at run time.
#pragma once

#include <cstddef>
#include <utility>

#include "vec.h"

namespace ltp {
namespace {

/// So many rows of so many vectors of sums fill the register file. Where vectors are short, more of
/// them must share each value of a row that is read.
#if defined(LTP_NEON)
constexpr int kTileVecs = 4, kRegisterRows = 6;
#else
constexpr int kTileVecs = 2, kRegisterRows = kLanes == 16 ? 14 : 6;
#endif

/// Tile<rows, vecs>::run for every rows <= MaxRows and vecs <= MaxVecs.
template <template <int, int> class Tile, int MaxRows, int MaxVecs>
class TileTable {
    template <class>
    struct Entries;
    template <size_t... I>
    struct Entries<std::index_sequence<I...>> {
        static constexpr decltype(&Tile<1, 1>::run) run[] = {
            Tile<I / MaxVecs + 1, I % MaxVecs + 1>::run...};
    };

public:
    static constexpr auto get(int rows, int vecs) {
        return Entries<std::make_index_sequence<MaxRows * MaxVecs>>::run[(rows - 1) * MaxVecs +
                                                                         vecs - 1];
    }
};

}  // namespace
}  // namespace ltp
