// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/picture.hpp"

#include <algorithm>
#include <cstring>

#include "base/half.hpp"
#include "image/format.hpp"

namespace enlarge::vulkan {
namespace {

std::size_t row_bytes(const PixelFormat& format, int width) {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(sample_bytes(format.sample)) *
           (format.planar ? 1U : format.channels);
}
int row_words(const PixelFormat& format, int width) { return static_cast<int>((row_bytes(format, width) + 3) / 4); }

PictureNumbers numbers(const PixelFormat& format, Size tensor, const Rect& core) {
    PictureNumbers p{};
    p.channels = format.channels;
    p.height = tensor.height;
    p.width = tensor.width;
    p.left = core.x;
    p.top = core.y;
    p.core_width = core.width;
    p.core_rows = core.height;
    p.sample_bytes = sample_bytes(format.sample);
    p.floats = format.sample == SampleType::f16 || format.sample == SampleType::f32;
    p.planar = format.planar;
    p.row_words = row_words(format, core.width);
    p.largest = static_cast<float>(max_value(format));
    return p;
}

tensors::Call call_of(const char* kernel, const PictureNumbers& p, std::int64_t items) {
    tensors::Call call{kernel, items, 4};
    std::memcpy(call.parameters.data(), &p, sizeof p);
    return call;
}

}  // namespace

std::uint64_t packed_bytes(const PixelFormat& format, Size size) {
    return std::uint64_t{4} * static_cast<std::uint64_t>(row_words(format, size.width)) *
           static_cast<std::uint64_t>(size.height) * static_cast<std::uint64_t>(plane_count(format));
}

bool pack_rows(const ImageView& in, std::byte* to) {
    const std::size_t bytes = row_bytes(in.format, in.size.width);
    const std::size_t step = std::size_t{4} * static_cast<std::size_t>(row_words(in.format, in.size.width));
    bool light = false;
    for (int plane = 0; plane < plane_count(in.format); ++plane)
        for (int y = 0; y < in.size.height; ++y, to += step) {
            std::memcpy(to, in.row(plane, y), bytes);
            light = light || std::any_of(to, to + bytes, [](std::byte b) { return b != std::byte{0}; });
        }
    return light;
}

void unpack_rows(const std::byte* from, const MutableImageView& out) {
    const PixelFormat packed = written_format(out.format);
    const std::size_t bytes = row_bytes(packed, out.size.width);
    const std::size_t step = std::size_t{4} * static_cast<std::size_t>(row_words(packed, out.size.width));
    for (int plane = 0; plane < plane_count(packed); ++plane)
        for (int y = 0; y < out.size.height; ++y, from += step) {
            std::byte* const row = out.row(plane, y);
            if (packed == out.format) {
                std::memcpy(row, from, bytes);
                continue;
            }
            for (std::size_t i = 0; i < bytes / sizeof(float); ++i) {
                float value = 0;
                std::memcpy(&value, from + i * sizeof value, sizeof value);
                const std::uint16_t half = float_to_half(value);
                std::memcpy(row + i * sizeof half, &half, sizeof half);
            }
        }
}

void fill_black(const MutableImageView& out) {
    for (int plane = 0; plane < plane_count(out.format); ++plane)
        for (int y = 0; y < out.size.height; ++y)
            std::memset(out.row(plane, y), 0, row_bytes(out.format, out.size.width));
}

PixelFormat written_format(const PixelFormat& format) {
    PixelFormat written = format;
    if (format.sample == SampleType::f16) {
        written.sample = SampleType::f32;
        written.bits = 32;
    }
    return written;
}

tensors::Call picture_in(const PixelFormat& format, Size size, tensors::Address words, tensors::Address tensor,
                         tensors::Address flags) {
    PictureNumbers p = numbers(format, size, {0, 0, size.width, size.height});
    p.words = words;
    p.tensor = tensor;
    p.flags = flags;
    return call_of("picture_in", p, std::int64_t{p.channels} * p.height * p.width);
}

tensors::Call picture_out(const PixelFormat& format, Size size, const Rect& core, tensors::Address words,
                          tensors::Address tensor, tensors::Address flags) {
    const PixelFormat written = written_format(format);
    PictureNumbers p = numbers(written, size, core);
    p.words = words;
    p.tensor = tensor;
    p.flags = flags;
    return call_of("picture_out", p, std::int64_t{p.row_words} * core.height * plane_count(written));
}

}  // namespace enlarge::vulkan
