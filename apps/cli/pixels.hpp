// SPDX-License-Identifier: Apache-2.0
// Loaded pictures of any format as one format.
#pragma once

#include "enlarge/image.hpp"

namespace cli {

// Any loaded picture (packed) as RGB of 8 bits. Transparency shows white.
enlarge::Image rgb8(const enlarge::ImageView& view);

}  // namespace cli
