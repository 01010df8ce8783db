// SPDX-License-Identifier: Apache-2.0
// Packed rows of any format as float RGB, for comparing and flattening.
#pragma once

#include <vector>

#include "enlarge/picture.hpp"

namespace enlarge::pictures {

// Sample `i` of a packed row as a float, 0..1 for integers.
float sample_at(const ImageView& image, const std::byte* row, std::size_t i);
// Stores `value` as sample `i`: clamped and rounded for integers.
void set_sample(const MutableImageView& image, std::byte* row, std::size_t i, float value);

// Row `y` as r, g, b, r, g, b ...; alpha is put over `behind` (a grey, 0..1).
void rgb_row(const ImageView& image, int y, float behind, std::vector<float>& out);

}  // namespace enlarge::pictures
