// SPDX-License-Identifier: Apache-2.0
#include "backend/reference/pixels.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.hpp"
#include "image/format.hpp"

namespace enlarge::reference {
namespace {

// Where sample (channel, x, y) is.
template <class Byte>
Byte* sample_at(const BasicImageView<Byte>& view, int channel, int x, int y) {
    const int width = sample_bytes(view.format.sample);
    if (view.format.planar) return view.row(channel, y) + std::ptrdiff_t{width} * x;
    return view.row(0, y) + std::ptrdiff_t{width} * (std::ptrdiff_t{x} * view.format.channels + channel);
}

float read_sample(const std::byte* from, const PixelFormat& format) {
    switch (format.sample) {
        case SampleType::u8:
            return static_cast<float>(std::to_integer<int>(*from)) / 255.0F;
        case SampleType::f32: {
            float value;
            std::memcpy(&value, from, sizeof value);
            return value;
        }
        case SampleType::u16:
        case SampleType::f16: {
            std::uint16_t value;
            std::memcpy(&value, from, sizeof value);
            if (format.sample == SampleType::f16) return half_to_float(value);
            return static_cast<float>(value) / static_cast<float>(max_value(format));
        }
    }
    return 0;
}

void write_sample(std::byte* to, const PixelFormat& format, float value) {
    if (format.sample == SampleType::f32) {
        std::memcpy(to, &value, sizeof value);
    } else if (format.sample == SampleType::f16) {
        const std::uint16_t half = float_to_half(value);
        std::memcpy(to, &half, sizeof half);
    } else {
        const float clamped = value > 0 ? (value < 1 ? value : 1) : 0;  // NaN becomes 0
        const auto whole = static_cast<std::uint16_t>(std::nearbyint(clamped * static_cast<float>(max_value(format))));
        if (format.sample == SampleType::u8)
            *to = static_cast<std::byte>(whole);
        else
            std::memcpy(to, &whole, sizeof whole);
    }
}

}  // namespace

void load_planes(const ImageView& in, float* planes) {
    for (int c = 0; c < in.format.channels; ++c)
        for (int y = 0; y < in.size.height; ++y)
            for (int x = 0; x < in.size.width; ++x) *planes++ = read_sample(sample_at(in, c, x, y), in.format);
}

void store_planes(const float* planes, Size size, const Rect& core, const MutableImageView& out) {
    const std::ptrdiff_t plane = std::ptrdiff_t{size.width} * size.height;
    for (int c = 0; c < out.format.channels; ++c)
        for (int y = 0; y < core.height; ++y) {
            const float* row = planes + plane * c + std::ptrdiff_t{size.width} * (core.y + y) + core.x;
            for (int x = 0; x < core.width; ++x) write_sample(sample_at(out, c, x, y), out.format, row[x]);
        }
}

}  // namespace enlarge::reference
