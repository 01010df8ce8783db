// SPDX-License-Identifier: Apache-2.0
// What PNG does to a row of pixels before it is compressed: every byte becomes its difference from a guess.
#pragma once

#include <cstddef>

namespace enlarge::pictures {

// Bytes that must be readable before and behind a row given to filter_row(), those before it zero.
inline constexpr std::size_t kRowMargin = 16;

// Chooses the guess whose differences are smallest in sum, as libpng does, and writes 1 + `bytes` bytes: its number,
// then the differences. `above` is the row before, zeros for the first. `pixel_bytes` <= 8 are those of one pixel.
void filter_row(const std::byte* row, const std::byte* above, std::size_t bytes, std::size_t pixel_bytes,
                std::byte* out);

}  // namespace enlarge::pictures
