// The configuration of the AMX tile registers.
#pragma once

#include "vec.h"

namespace ltp {
namespace {

constexpr int kTileRows = 16;

struct alignas(64) TileConfig {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64, "the layout is the processor's");

/// All eight tiles at full size while it lives, but the first six with `rows` rows. The tile
/// configuration belongs to the thread, and other code on it (oneDNN) relies on finding its own
/// again.
class TileScope {
public:
    explicit TileScope(int rows = kTileRows) {
        _tile_storeconfig(&before_);
        TileConfig config;
        for (int i = 0; i < 6; ++i) config.rows[i] = static_cast<uint8_t>(rows);
        _tile_loadconfig(&config);
    }
    ~TileScope() { _tile_loadconfig(&before_); }
    TileScope(const TileScope&) = delete;
    TileScope& operator=(const TileScope&) = delete;

private:
    TileConfig before_;
};

}  // namespace
}  // namespace ltp
