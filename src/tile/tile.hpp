// SPDX-License-Identifier: Apache-2.0
// How a picture is cut into tiles. Geometry only: touches no pixels.
#pragma once

#include "enlarge/image.hpp"

namespace enlarge {

// What a network needs around the pixels that are wanted.
struct TileRules {
    int halo = 0;       // pixels to read beyond a core whose edges lie on the grid, where the picture has them
    int alignment = 1;  // the grid: tiles start at a multiple of this, counted from the left and top edge ...
    // ... and end at a multiple of it counted from the right and bottom edge, so that a mirrored or turned picture is
    // cut on its own grid too (for the average over the 8 symmetries).
};

// The rectangle to read for `core`: moved out to the grid, grown by the halo, moved out again, clipped to the picture.
Rect tile_input(const Rect& core, const TileRules& rules, Size picture);

// Cores of equal size (the last column and row may be smaller) that cover `area` once, in raster order.
class TileGrid {
public:
    TileGrid() = default;
    // `core` is at least 1 x 1.
    TileGrid(Size area, Size core);

    [[nodiscard]] int columns() const { return columns_; }
    [[nodiscard]] int rows() const { return rows_; }
    // 0 <= column < columns(), 0 <= row < rows().
    [[nodiscard]] Rect core(int column, int row) const;

private:
    Size area_, core_;
    int columns_ = 0, rows_ = 0;
};

// The smallest multiple of `unit` that is >= value; both positive or value zero.
inline int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// `size` with both sides rounded up to a multiple of `unit`.
inline Size round_up(Size size, int unit) { return {round_up(size.width, unit), round_up(size.height, unit)}; }

// Index in 0..n-1 of position i of a line of n pixels mirrored at its ends without repeating the edge pixel:
// -1 -> 1, n -> n - 2. A line of one pixel repeats it.
int reflect(int i, int n);

}  // namespace enlarge
