// SPDX-License-Identifier: Apache-2.0
#include "image/samples.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

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
void copy_lane(const ImageView& in, int from_channel, const MutableImageView& out, int to_channel, int y) {
    const auto [from, from_step] = lane<const T>(in, y, from_channel);
    const auto [to, to_step] = lane<T>(out, y, to_channel);
    for (int x = 0; x < in.size.width; ++x) to[x * to_step] = from[x * from_step];
}

void copy_lane(const ImageView& in, int from, const MutableImageView& out, int to, int y) {
    switch (sample_bytes(in.format.sample)) {
        case 1: return copy_lane<std::uint8_t>(in, from, out, to, y);
        case 2: return copy_lane<std::uint16_t>(in, from, out, to, y);
        default: return copy_lane<std::uint32_t>(in, from, out, to, y);
    }
}

}  // namespace

namespace {

// `most`: of the differences between channels.
template <class T, class Value>
bool near_grey(const ImageView& in, int y, float most, Value value) {
    const auto [red, step] = lane<const T>(in, y, 0);
    const auto [green, green_step] = lane<const T>(in, y, 1);
    const auto [blue, blue_step] = lane<const T>(in, y, 2);
    const bool alpha = in.format.channels == 4;
    const auto [cover, cover_step] = lane<const T>(in, y, alpha ? 3 : 0);
    bool near = true;  // no early end within a row: so it is compiled to vectors
    for (int x = 0; x < in.size.width; ++x) {
        const auto r = value(red[x * step]), g = value(green[x * green_step]), b = value(blue[x * blue_step]);
        const bool hidden = alpha && value(cover[x * cover_step]) == 0;
        const auto low = std::min(r, std::min(g, b)), high = std::max(r, std::max(g, b));
        near &= hidden || high - low <= most;
    }
    return near;
}

float luma_of(float r, float g, float b) { return r == g && g == b ? g : 0.299F * r + 0.587F * g + 0.114F * b; }

}  // namespace

namespace {

// `most` in units of the samples.
bool near_grey(const ImageView& in, float most) {
    if (in.format.channels < 3) return false;
    const auto as_float = [](auto v) { return static_cast<float>(v); };
    const auto row = [&](int y) {
        switch (in.format.sample) {
            case SampleType::u8: return near_grey<std::uint8_t>(in, y, most, as_float);
            case SampleType::u16: return near_grey<std::uint16_t>(in, y, most, as_float);
            case SampleType::f16: return near_grey<std::uint16_t>(in, y, most, half_to_float);
            case SampleType::f32: return near_grey<float>(in, y, most, as_float);
        }
        return false;
    };
    for (int y = 0; y < in.size.height; ++y)
        if (!row(y)) return false;
    return true;
}

}  // namespace

bool colourless(const ImageView& in) { return near_grey(in, in.format.sample == SampleType::u8 ? 1.0F : 0.0F); }

void load_grey_row(const ImageView& in, int y, float* out) {
    const auto width = static_cast<std::size_t>(in.size.width);
    thread_local std::vector<float> red, blue;
    red.resize(width);
    blue.resize(width);
    load_row(in, y, 0, red.data());
    load_row(in, y, 1, out);
    load_row(in, y, 2, blue.data());
    for (std::size_t x = 0; x < width; ++x) out[x] = luma_of(red[x], out[x], blue[x]);
}

void settle_grey(const MutableImageView& view, int bits) {
    constexpr float kSteps = 4.6F;  // 3.9 of red and blue in BT.709, and a little
    if (!near_grey(view, kSteps / static_cast<float>((1 << bits) - 1))) return;
    const std::size_t bytes = static_cast<std::size_t>(view.size.width) * sizeof(float);
    for (int y = 0; y < view.size.height; ++y) {
        auto* const green = reinterpret_cast<float*>(view.row(1, y));
        load_grey_row(view, y, green);
        std::memcpy(view.row(0, y), green, bytes);
        std::memcpy(view.row(2, y), green, bytes);
    }
}

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
        for (int c = 0; c < in.format.channels; ++c) copy_lane(in, c, out, c, y);
    }
}

void luma(const ImageView& rgb, const MutableImageView& out) {
    for (int y = 0; y < out.size.height; ++y) {
        const auto* r = reinterpret_cast<const float*>(rgb.row(0, y));
        const auto* g = reinterpret_cast<const float*>(rgb.row(1, y));
        const auto* b = reinterpret_cast<const float*>(rgb.row(2, y));
        auto* to = reinterpret_cast<float*>(out.row(0, y));
        for (int x = 0; x < out.size.width; ++x) to[x] = 0.299F * r[x] + 0.587F * g[x] + 0.114F * b[x];
    }
}

void copy_channel(const ImageView& in, int from, const MutableImageView& out, int to) {
    for (int y = 0; y < in.size.height; ++y) copy_lane(in, from, out, to, y);
}

}  // namespace enlarge
