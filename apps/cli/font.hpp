// SPDX-License-Identifier: Apache-2.0
// Letters of 5x8 pixels for labels in pictures: printable ASCII; anything else becomes a box.
#pragma once

#include <string>

#include "enlarge/image.hpp"

namespace cli {

inline constexpr int kLetterWidth = 6, kLetterHeight = 8;  // with the gap to the next

// Writes `text` in dark grey on an RGB picture of 8 bits, every pixel of a letter as `size` x `size`; what does not fit is
// left out. (x, y) is the left top.
void draw_text(const enlarge::MutableImageView& picture, int x, int y, int size, const std::string& text);

}  // namespace cli
