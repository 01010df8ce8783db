// SPDX-License-Identifier: Apache-2.0
// Pictures to planar float and back, one sample at a time: the truth for the converting kernels.
#pragma once

#include "enlarge/image.hpp"

namespace enlarge::reference {

// One plane after another, each height x width, packed: value / (2^bits - 1), or the float itself.
void load_planes(const ImageView& in, float* planes);

// Writes the part `core` of planes of `size` (packed, one after another) to `out`, whose size is the core's. Integers:
// clamped to 0..1 and rounded half to even. Floats: as they are.
void store_planes(const float* planes, Size size, const Rect& core, const MutableImageView& out);

}  // namespace enlarge::reference
