// SPDX-License-Identifier: Apache-2.0
#include "color/planes.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "image/samples.hpp"

namespace enlarge {
namespace {

// code = value * scale + offset.
struct Coding {
    float scale, offset;
    int max;
};

Coding coding(const FrameFormat& format, int p) {
    const int unit = 1 << (format.bits - 8), max = (1 << format.bits) - 1;
    const bool alpha = format.alpha && p == plane_count(format) - 1;
    const bool limited = format.tags.range == Range::limited && !alpha;
    const bool chroma = is_chroma(format, p);
    return {static_cast<float>(limited ? (chroma ? 224 : 219) * unit : max),
            static_cast<float>(chroma ? 128 * unit : limited ? 16 * unit : 0), max};
}

// Where the samples of plane p begin in a codec's frame, and how far apart they are.
struct Lane {
    std::size_t slot;
    int first, step;
};
Lane lane(const FrameFormat& format, int p) {
    if (format.semi_planar && is_chroma(format, p)) return {1, p - 1, 2};
    return {plane_slot(format, p), 0, 1};
}

int sample_bytes(const FrameFormat& format) { return format.bits > 8 || format.high_bits ? 2 : 1; }

template <class T>
void load_samples(const std::byte* in, const Lane& lane, int count, int shift, const Coding& code, float* out) {
    const T* from = reinterpret_cast<const T*>(in) + lane.first;
    const float factor = 1.0F / code.scale;
    if (lane.step == 1) {
        for (int x = 0; x < count; ++x) out[x] = (static_cast<float>(from[x] >> shift) - code.offset) * factor;
    } else {
        for (int x = 0; x < count; ++x) out[x] = (static_cast<float>(from[x * 2] >> shift) - code.offset) * factor;
    }
}

// Thresholds of an 8x8 Bayer pattern, -63/128 ... 63/128: whole steps stay what they are.
constexpr std::array<float, 64> make_bayer() {
    std::array<float, 64> pattern{};
    for (unsigned y = 0; y < 8; ++y)
        for (unsigned x = 0; x < 8; ++x) {
            unsigned value = 0;
            for (unsigned bit = 0; bit < 3; ++bit) {
                const unsigned u = x >> bit & 1U, v = y >> bit & 1U;
                value = value << 2U | (u ^ v) << 1U | v;
            }
            pattern[y * 8 + x] = (static_cast<float>(value) - 31.5F) / 64.0F;
        }
    return pattern;
}
constexpr std::array<float, 64> kBayer = make_bayer();

template <class T>
void store_samples(const float* in, const Lane& lane, int count, int shift, const Coding& code, const float* noise,
                   std::byte* out) {
    T* to = reinterpret_cast<T*>(out) + lane.first;
    const float max = static_cast<float>(code.max);
    const auto convert = [&](int x) {
        float value = in[x] * code.scale + code.offset;
        if (noise) value += noise[x & 7];
        value = value > 0 ? (value < max ? value : max) : 0.0F;
        return static_cast<T>(round_half_even(value) << shift);
    };
    if (lane.step == 1) {
        for (int x = 0; x < count; ++x) to[x] = convert(x);
    } else {
        for (int x = 0; x < count; ++x) to[x * 2] = convert(x);
    }
}

}  // namespace

FloatPlanes::FloatPlanes(const FrameFormat& format, Size size) : format_(format) {
    const bool yuv = format.family == FrameFamily::yuv;
    const auto up = [](int side, int sub) { return (((side - 1) >> sub) + 1) << sub; };
    padded_ = {up(size.width, yuv ? format.sub_x : 0), up(size.height, yuv ? format.sub_y : 0)};
    std::size_t total = 0;
    for (int p = 0; p < plane_count(format); ++p) {
        const Size plane = plane_size(format, padded_, p);
        const std::size_t row = static_cast<std::size_t>(plane.width) * sizeof(float);
        const std::size_t stride = (row + kAlignment - 1) / kAlignment * kAlignment;
        stride_[p] = static_cast<std::ptrdiff_t>(stride);
        offset_[p] = total;
        total += stride * static_cast<std::size_t>(plane.height);
    }
    memory_ = AlignedBuffer<std::byte>(total);
}

void FloatPlanes::load(const FrameView& in, int p, int y) {
    const Size have = plane_size(format_, in.size, p);
    const Lane from = lane(format_, p);
    const std::byte* source = in.plane[from.slot] + in.stride_bytes[from.slot] * std::min(y, have.height - 1);
    const int shift = format_.high_bits ? 16 - format_.bits : 0;
    const Coding code = coding(format_, p);
    if (sample_bytes(format_) == 1) load_samples<std::uint8_t>(source, from, have.width, shift, code, row(p, y));
    else load_samples<std::uint16_t>(source, from, have.width, shift, code, row(p, y));
    float* to = row(p, y);
    for (int x = have.width; x < plane_size(format_, padded_, p).width; ++x) to[x] = to[have.width - 1];
}

void FloatPlanes::store(const MutableFrameView& out, int p, int y, int from, bool dither) {
    const Size want = plane_size(format_, out.size, p);
    const Lane to = lane(format_, p);
    std::byte* target = out.plane[to.slot] + out.stride_bytes[to.slot] * y;
    const int shift = format_.high_bits ? 16 - format_.bits : 0;
    const float* noise = dither ? kBayer.data() + (y & 7) * 8 : nullptr;
    if (sample_bytes(format_) == 1)
        store_samples<std::uint8_t>(row(p, from), to, want.width, shift, coding(format_, p), noise, target);
    else store_samples<std::uint16_t>(row(p, from), to, want.width, shift, coding(format_, p), noise, target);
}

}  // namespace enlarge
