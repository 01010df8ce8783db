// SPDX-License-Identifier: Apache-2.0
// Transparency next to a network: what must not change does not.
#pragma once

#include "enlarge/image.hpp"

namespace enlarge {

// Pixels around one that must have the same alpha for it to be copied instead of computed.
inline constexpr int kAlphaReach = 3;

// Where alpha is constant within kAlphaReach pixels (clipped to the picture), sets the `scale` x `scale` results of
// that pixel to exactly this value: networks turn 1.0 into 0.997, which would make opaque pictures translucent. The
// rule looks at the picture, not at tiles, so results do not depend on the tiling.
// `alpha`: rows of one channel, full width of the picture, row 0 being row `top`; `core`: in picture coordinates, of
// which `out` (planar f32, plane `plane`) holds the results. Returns whether every pixel of the core was constant.
bool keep_constant_alpha(const ImageView& alpha, int top, Size picture, const Rect& core, int scale,
                         const MutableImageView& out, int plane);

}  // namespace enlarge
