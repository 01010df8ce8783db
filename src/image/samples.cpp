// SPDX-License-Identifier: Apache-2.0
#include "image/samples.hpp"

#include <cstring>

#include "image/format.hpp"

namespace enlarge {
namespace {

// First sample of a channel in row y, and the distance between its samples counted in samples.
template <class T>
struct Lane {
    T* first;
    std::ptrdiff_t step;
};
template <class T, class Byte>
Lane<T> lane(const BasicImageView<Byte>& view, int y, int channel) {
    if (view.format.planar) return {reinterpret_cast<T*>(view.row(channel, y)), 1};
    return {reinterpret_cast<T*>(view.row(0, y)) + channel, view.format.channels};
}

template <class T, class Convert>
void load(const ImageView& in, int y, int channel, float* out, Convert convert) {
    const auto [first, step] = lane<const T>(in, y, channel);
    if (step == 1) {
        for (int x = 0; x < in.size.width; ++x) out[x] = convert(first[x]);
    } else {
        for (int x = 0; x < in.size.width; ++x) out[x] = convert(first[x * step]);
    }
}

template <class T, class Convert>
void store(const float* in, const MutableImageView& out, int y, int channel, Convert convert) {
    const auto [first, step] = lane<T>(out, y, channel);
    if (step == 1) {
        for (int x = 0; x < out.size.width; ++x) first[x] = static_cast<T>(convert(in[x]));
    } else {
        for (int x = 0; x < out.size.width; ++x) first[x * step] = static_cast<T>(convert(in[x]));
    }
}

template <class T>
void copy_lane(const ImageView& in, const MutableImageView& out, int y, int channel) {
    const auto [from, from_step] = lane<const T>(in, y, channel);
    const auto [to, to_step] = lane<T>(out, y, channel);
    for (int x = 0; x < in.size.width; ++x) to[x * to_step] = from[x * from_step];
}

}  // namespace

void load_row(const ImageView& in, int y, int channel, float* out) {
    const float max = static_cast<float>(max_value(in.format));
    switch (in.format.sample) {
        case SampleType::u8:
            return load<std::uint8_t>(in, y, channel, out, [](std::uint8_t v) { return static_cast<float>(v) / 255.0F; });
        case SampleType::u16:
            return load<std::uint16_t>(in, y, channel, out,
                                       [max](std::uint16_t v) { return static_cast<float>(v) / max; });
        case SampleType::f16: return load<std::uint16_t>(in, y, channel, out, half_to_float);
        case SampleType::f32: return load<float>(in, y, channel, out, [](float v) { return v; });
    }
}

void store_row(const float* in, const MutableImageView& out, int y, int channel) {
    const float max = static_cast<float>(max_value(out.format));
    switch (out.format.sample) {
        case SampleType::u8: return store<std::uint8_t>(in, out, y, channel, [](float v) { return quantise(v, 255.0F); });
        case SampleType::u16:
            return store<std::uint16_t>(in, out, y, channel, [max](float v) { return quantise(v, max); });
        case SampleType::f16: return store<std::uint16_t>(in, out, y, channel, float_to_half);
        case SampleType::f32: return store<float>(in, out, y, channel, [](float v) { return v; });
    }
}

void copy_pixels(const ImageView& in, const MutableImageView& out) {
    const int bytes = sample_bytes(in.format.sample);
    for (int y = 0; y < in.size.height; ++y) {
        if (in.format.planar == out.format.planar || in.format.channels == 1) {
            const int planes = in.format.channels == 1 ? 1 : plane_count(in.format);
            const std::size_t count = static_cast<std::size_t>(in.size.width) *
                                      static_cast<std::size_t>(bytes * in.format.channels / planes);
            for (int p = 0; p < planes; ++p) std::memcpy(out.row(p, y), in.row(p, y), count);
            continue;
        }
        for (int c = 0; c < in.format.channels; ++c) {
            if (bytes == 1) copy_lane<std::uint8_t>(in, out, y, c);
            if (bytes == 2) copy_lane<std::uint16_t>(in, out, y, c);
            if (bytes == 4) copy_lane<std::uint32_t>(in, out, y, c);
        }
    }
}

}  // namespace enlarge
