// SPDX-License-Identifier: Apache-2.0
#include "pixels.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cli {
namespace {

// One sample as 0..255.
float sample(const enlarge::ImageView& view, int x, int y, int channel) {
    const auto at = static_cast<std::size_t>(x) * view.format.channels + static_cast<std::size_t>(channel);
    const std::byte* row = view.row(0, y);
    switch (view.format.sample) {
        case enlarge::SampleType::u8: return static_cast<float>(std::to_integer<int>(row[at]));
        case enlarge::SampleType::u16: {
            std::uint16_t value = 0;
            std::memcpy(&value, row + 2 * at, 2);
            return 255.0F * value / static_cast<float>((1U << view.format.bits) - 1);
        }
        case enlarge::SampleType::f32: {
            float value = 0;
            std::memcpy(&value, row + 4 * at, 4);
            return 255.0F * std::clamp(value, 0.0F, 1.0F);
        }
        default: return 0;  // no picture is loaded as halves
    }
}

}  // namespace

enlarge::Image rgb8(const enlarge::ImageView& view) {
    enlarge::Image out(view.size, enlarge::kRgb8);
    const int channels = view.format.channels, alpha = channels % 2 == 0 ? channels - 1 : -1;
    for (int y = 0; y < view.size.height; ++y)
        for (int x = 0; x < view.size.width; ++x) {
            const float share = alpha < 0 ? 1 : sample(view, x, y, alpha) / 255;
            for (int c = 0; c < 3; ++c) {
                const float value = sample(view, x, y, channels < 3 ? 0 : c) * share + 255 * (1 - share);
                out.view().row(0, y)[3 * x + c] = static_cast<std::byte>(std::lround(value));
            }
        }
    return out;
}

}  // namespace cli
