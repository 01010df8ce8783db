// SPDX-License-Identifier: Apache-2.0
#include "pictures/rgb_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "image/format.hpp"

namespace enlarge::pictures {

float sample_at(const ImageView& image, const std::byte* row, std::size_t i) {
    switch (image.format.sample) {
        case SampleType::u8: return static_cast<float>(row[i]) / 255.0F;
        case SampleType::f32: {
            float value;
            std::memcpy(&value, row + 4 * i, 4);
            return value;
        }
        default: {
            std::uint16_t value;
            std::memcpy(&value, row + 2 * i, 2);
            return static_cast<float>(value) / static_cast<float>(max_value(image.format));
        }
    }
}

void set_sample(const MutableImageView& image, std::byte* row, std::size_t i, float value) {
    if (image.format.sample == SampleType::f32) {
        std::memcpy(row + 4 * i, &value, 4);
        return;
    }
    const auto max = static_cast<float>(max_value(image.format));
    const auto number = static_cast<std::uint16_t>(std::nearbyint(std::clamp(value * max, 0.0F, max)));
    if (image.format.sample == SampleType::u8)
        row[i] = static_cast<std::byte>(number);
    else
        std::memcpy(row + 2 * i, &number, 2);
}

void rgb_row(const ImageView& image, int y, float behind, std::vector<float>& out) {
    const std::byte* row = image.row(0, y);
    const std::size_t channels = image.format.channels, colours = channels <= 2 ? 1 : 3;
    const auto width = static_cast<std::size_t>(image.size.width);
    out.resize(width * 3);
    for (std::size_t x = 0; x < width; ++x) {
        const float alpha = channels % 2 == 0 ? sample_at(image, row, x * channels + channels - 1) : 1.0F;
        for (std::size_t c = 0; c < 3; ++c) {
            const float value = sample_at(image, row, x * channels + (colours == 3 ? c : 0));
            out[3 * x + c] = alpha == 1.0F ? value : value * alpha + behind * (1.0F - alpha);
        }
    }
}

}  // namespace enlarge::pictures
