// SPDX-License-Identifier: Apache-2.0
// The whole program's table of kernels, in place of dispatch.cpp: on AVX2, what amx would run, emulated; and the tile
// registers in memory.
#include <cstddef>
#include <cstdint>

#include "kernels/emulated/avx512.hpp"

namespace enlarge {
namespace {

constexpr int kTileRows = 16, kTileBytes = 64;
thread_local unsigned char tiles[8][kTileRows][kTileBytes];
thread_local bool configured = false;

inline void tile_configure(const void* config) {
    // Palette 1; each tile of 64 bytes and 16 rows.
    const auto* const bytes = static_cast<const unsigned char*>(config);
    configured = bytes[0] == 1;
    for (int t = 0; t < 8; ++t)
        configured = configured && bytes[16 + 2 * t] == kTileBytes && bytes[48 + t] == kTileRows;
    std::memset(tiles, 0, sizeof tiles);
}
inline void tile_release() { configured = false; }

// What the processor refuses ends the test.
inline void need_configuration() {
    if (!configured) __builtin_trap();
}

template <int kTile>
void tile_zero() {
    need_configuration();
    std::memset(tiles[kTile], 0, sizeof tiles[kTile]);
}
template <int kTile>
void tile_load(const void* from, std::ptrdiff_t stride) {
    need_configuration();
    for (int r = 0; r < kTileRows; ++r)
        std::memcpy(tiles[kTile][r], static_cast<const char*>(from) + r * stride, kTileBytes);
}
template <int kTile>
void tile_store(void* to, std::ptrdiff_t stride) {
    need_configuration();
    for (int r = 0; r < kTileRows; ++r) std::memcpy(static_cast<char*>(to) + r * stride, tiles[kTile][r], kTileBytes);
}

inline float tile_number(const unsigned char* at) {
    std::uint16_t half;
    std::memcpy(&half, at, sizeof half);
    const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// Pairs of A's row r and B's row i: sum[r][n] += a[r][2 i] * b[i][2 n] + a[r][2 i + 1] * b[i][2 n + 1].
template <int kSum, int kA, int kB>
void tile_dot() {
    need_configuration();
    for (int r = 0; r < kTileRows; ++r)
        for (int n = 0; n < kTileBytes / 4; ++n) {
            float sum;
            std::memcpy(&sum, tiles[kSum][r] + 4 * n, sizeof sum);
            for (int i = 0; i < kTileRows; ++i)
                for (int pair = 0; pair < 2; ++pair)
                    sum += tile_number(tiles[kA][r] + 4 * i + 2 * pair) * tile_number(tiles[kB][i] + 4 * n + 2 * pair);
            std::memcpy(tiles[kSum][r] + 4 * n, &sum, sizeof sum);
        }
}

}  // namespace
}  // namespace enlarge

#define fill_amx fill_emulated
#include "kernels/isa/amx.cpp"
#undef fill_amx

#include "kernels/emulated/tables.inl.hpp"
