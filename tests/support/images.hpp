// SPDX-License-Identifier: Apache-2.0
// Pictures in memory for tests: made, compared, read and written row by row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "enlarge/image.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"
#include "support/networks.hpp"

namespace enlarge::test {

inline PixelFormat format_of(SampleType sample, int channels, bool planar = false, int bits = 0) {
    if (!bits) bits = sample == SampleType::u8 ? 8 : sample == SampleType::f32 ? 32 : 16;
    return {sample, static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(channels), planar};
}

// Waves and noise; an alpha channel has opaque, transparent and soft parts.
inline Image make_picture(Size size, const PixelFormat& format, std::uint64_t seed = 1) {
    Image image(size, format);
    std::vector<float> line(static_cast<std::size_t>(size.width));
    for (int c = 0; c < format.channels; ++c) {
        Random random(seed * 16 + static_cast<std::uint64_t>(c));
        const bool alpha = format.channels % 2 == 0 && c == format.channels - 1;
        const float fx = random.uniform(0.05F, 0.4F), fy = random.uniform(0.05F, 0.4F);
        for (int y = 0; y < size.height; ++y) {
            for (int x = 0; x < size.width; ++x) {
                const auto u = static_cast<float>(x), v = static_cast<float>(y);
                const float wave = std::sin(fx * u + fy * v + static_cast<float>(c));
                line[static_cast<std::size_t>(x)] = alpha ? std::clamp(0.5F + 2 * std::sin(0.15F * u + 0.11F * v), 0.0F, 1.0F)
                                                          : 0.5F + 0.4F * wave + random.uniform(-0.1F, 0.1F);
            }
            store_row(line.data(), image.view(), y, c);
        }
    }
    return image;
}

inline Image copy_of(const ImageView& view) {
    Image image(view.size, view.format);
    copy_pixels(view, image.view());
    return image;
}

inline bool same_bits(const ImageView& a, const ImageView& b) {
    if (!(a.size == b.size) || !(a.format == b.format)) return false;
    const std::size_t row = static_cast<std::size_t>(a.size.width) * static_cast<std::size_t>(sample_bytes(a.format.sample)) *
                            static_cast<std::size_t>(a.format.planar ? 1 : a.format.channels);
    for (int p = 0; p < plane_count(a.format); ++p)
        for (int y = 0; y < a.size.height; ++y)
            if (std::memcmp(a.row(p, y), b.row(p, y), row) != 0) return false;
    return true;
}

// The largest difference of any sample, as floats 0..1.
inline double largest_difference(const ImageView& a, const ImageView& b) {
    if (!(a.size == b.size) || a.format.channels != b.format.channels) return 1e9;
    std::vector<float> x(static_cast<std::size_t>(a.size.width)), y(x.size());
    double most = 0;
    for (int c = 0; c < a.format.channels; ++c)
        for (int row = 0; row < a.size.height; ++row) {
            load_row(a, row, c, x.data());
            load_row(b, row, c, y.data());
            for (std::size_t i = 0; i < x.size(); ++i) {
                const double difference = std::fabs(static_cast<double>(x[i]) - y[i]);
                if (!(difference <= most)) most = difference;
            }
        }
    return most;
}

// Grey or grey + alpha as packed RGB or RGBA.
inline Image in_three_channels(const ImageView& grey) {
    PixelFormat format = grey.format;
    format.channels = static_cast<std::uint8_t>(format.channels + 2);
    format.planar = false;
    Image image(grey.size, format);
    for (int c = 0; c < format.channels; ++c) copy_channel(grey, c / 3, image.view(), c);
    return image;
}

class MemorySource : public RowSource {
public:
    explicit MemorySource(const ImageView& picture) : picture_(picture) {}
    [[nodiscard]] Size size() const override { return picture_.size; }
    [[nodiscard]] PixelFormat format() const override { return picture_.format; }
    Result<void> read(const MutableImageView& rows) override {
        if (row_ + rows.size.height > picture_.size.height) return Error{Errc::internal, "read past the end"};
        copy_pixels(picture_.part({0, row_, rows.size.width, rows.size.height}), rows);
        row_ += rows.size.height;
        return {};
    }
    Result<bool> colourless() override { return enlarge::colourless(picture_); }

private:
    ImageView picture_;
    int row_ = 0;
};

class MemorySink : public RowSink {
public:
    explicit MemorySink(Size size, const PixelFormat& format) : picture(size, format) {}
    Result<void> write(const ImageView& rows) override {
        if (row + rows.size.height > picture.size().height) return Error{Errc::internal, "written past the end"};
        copy_pixels(rows, picture.view().part({0, row, rows.size.width, rows.size.height}));
        row += rows.size.height;
        return {};
    }
    Image picture;
    int row = 0;
};

}  // namespace enlarge::test
