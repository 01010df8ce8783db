// SPDX-License-Identifier: Apache-2.0
// The 8 symmetries of the square, for averaging a network over them (--tta).
#pragma once

#include "enlarge/image.hpp"

namespace enlarge {

// Bit 0 mirrors left and right, bit 1 top and bottom; bit 2 then swaps rows and columns.
using Symmetry = int;
inline constexpr int kSymmetries = 8;

Size turned(Size size, Symmetry symmetry);

// Where `rect` of a picture of `size` lies in the turned picture.
Rect turned(const Rect& rect, Size size, Symmetry symmetry);

// Writes the turned picture; `out` has turned(in.size) and the format of `in`.
void turn(const ImageView& in, Symmetry symmetry, const MutableImageView& out);

// Adds a turned picture, turned back, to `sum` (both planar f32): sum = factor * (add ? sum + in : in).
void turn_back(const ImageView& in, Symmetry symmetry, bool add, float factor, const MutableImageView& sum);

}  // namespace enlarge
