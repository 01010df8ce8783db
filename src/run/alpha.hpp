// SPDX-License-Identifier: Apache-2.0
// Transparency next to a network: what must not change does not.
#pragma once

#include <vector>

#include "color/resample.hpp"
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

// Alpha enlarged by a Lanczos filter instead of the network (AlphaMode::lanczos), clamped to 0..1.
class AlphaFilter {
public:
    // Rows around a core that it may read, at most.
    static constexpr int kReach = 7;

    AlphaFilter(Size picture, int scale);
    // Arguments as of keep_constant_alpha().
    void run(const ImageView& alpha, int top, const Rect& core, const MutableImageView& out, int plane);

private:
    int scale_;
    FilterTable across_, down_;
    std::vector<float> row_, sum_;
};

}  // namespace enlarge
