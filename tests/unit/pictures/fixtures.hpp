// SPDX-License-Identifier: Apache-2.0
// Synthetic pictures and files for the tests of picture files.
#pragma once

#include <gtest/gtest.h>
#include <vips/vips.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "enlarge/picture.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"
#include "pictures/vips.hpp"

namespace fixtures {

namespace fs = std::filesystem;
using namespace enlarge;

// An empty folder, removed at the end of the test.
class Folder {
public:
    Folder() {
        char name[] = "/tmp/enlarge-pictures-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~Folder() { fs::remove_all(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), {})); }

private:
    std::string path_;
};

inline PixelFormat format_of(SampleType sample, int channels, int bits = 0) {
    PixelFormat format;
    format.sample = sample;
    format.bits = static_cast<std::uint8_t>(bits ? bits : sample == SampleType::u8 ? 8 : sample == SampleType::f32 ? 32 : 16);
    format.channels = static_cast<std::uint8_t>(channels);
    return format;
}

// Every sample differs from its neighbours; floats go from -0.25 to 1.5.
inline Image pattern(Size size, const PixelFormat& format, unsigned scale = 1) {
    Image image(size, format);
    const MutableImageView view = image.view();
    for (int y = 0; y < size.height; ++y)
        for (int i = 0; i < size.width * format.channels; ++i) {
            const unsigned n = (static_cast<unsigned>(y) * 7919U + static_cast<unsigned>(i) * 104729U + 12345U) % 1009U;
            std::byte* at = view.row(0, y) + i * sample_bytes(format.sample);
            if (format.sample == SampleType::u8) *at = static_cast<std::byte>(n % 256);
            else if (format.sample == SampleType::f32) {
                const float value = static_cast<float>(n) / 576.0F - 0.25F;
                std::memcpy(at, &value, 4);
            } else {
                const auto value = static_cast<std::uint16_t>(scale * n * 64U % static_cast<unsigned>(max_value(format) + 1));
                std::memcpy(at, &value, 2);
            }
        }
    return image;
}

// Smooth colours, for lossy formats.
inline Image smooth(Size size, const PixelFormat& format) {
    Image image(size, format);
    const MutableImageView view = image.view();
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x)
            for (int c = 0; c < format.channels; ++c) {
                const int n = c == 0 ? x * 255 / size.width : c == 1 ? y * 255 / size.height : c == 2 ? 128 : 255;
                std::byte* at = view.row(0, y) + (x * format.channels + c) * sample_bytes(format.sample);
                if (format.sample == SampleType::u8) *at = static_cast<std::byte>(n);
                else {
                    const auto value = static_cast<std::uint16_t>(n * max_value(format) / 255);
                    std::memcpy(at, &value, 2);
                }
            }
    return image;
}

inline void expect_same_pixels(const ImageView& a, const ImageView& b) {
    ASSERT_EQ(a.size, b.size);
    ASSERT_EQ(a.format, b.format);
    const auto bytes = static_cast<std::size_t>(a.size.width) * a.format.channels * static_cast<std::size_t>(sample_bytes(a.format.sample));
    for (int y = 0; y < a.size.height; ++y) ASSERT_EQ(std::memcmp(a.row(0, y), b.row(0, y), bytes), 0) << "row " << y;
}

inline ImageView view(const Image& image) { return image.view(); }

inline std::vector<char> bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_bytes(const std::string& path, const std::vector<char>& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A libvips image with a copy of these pixels, to be saved by libvips itself with whatever metadata the test sets.
inline pictures::ImagePtr vips_copy_of(const Image& image) {
    EXPECT_TRUE(pictures::start_vips().ok());
    const ImageView v = image.view();
    const auto row = static_cast<std::size_t>(v.size.width) * v.format.channels * static_cast<std::size_t>(sample_bytes(v.format.sample));
    std::vector<std::byte> packed;
    for (int y = 0; y < v.size.height; ++y) packed.insert(packed.end(), v.row(0, y), v.row(0, y) + row);
    VipsImage* raw = vips_image_new_from_memory_copy(packed.data(), packed.size(), v.size.width, v.size.height, v.format.channels, pictures::band_format_of(v.format));
    VipsImage* typed = nullptr;
    EXPECT_EQ(vips_copy(raw, &typed, "interpretation", pictures::interpretation_of(v.format), nullptr), 0);
    g_object_unref(raw);
    return pictures::ImagePtr(typed);
}

// A built-in libvips profile: "srgb", "p3", "cmyk".
inline std::vector<char> profile(const char* name) {
    VipsBlob* blob = nullptr;
    EXPECT_EQ(vips_profile_load(name, &blob, nullptr), 0);
    std::size_t size = 0;
    const void* data = vips_blob_get(blob, &size);
    std::vector<char> bytes(static_cast<const char*>(data), static_cast<const char*>(data) + size);
    vips_area_unref(VIPS_AREA(blob));
    return bytes;
}

// The whole picture, or a failed test.
inline Image load(const std::string& path, const ReadOptions& options = {}) {
    auto picture = Picture::open(path, options);
    EXPECT_TRUE(picture.ok()) << picture.error().message;
    if (!picture) return {};
    auto image = picture->load();
    EXPECT_TRUE(image.ok()) << image.error().message;
    return image ? std::move(image).value() : Image();
}

// The failure of opening or decoding; fails the test when there is none.
inline Error refusal(const std::string& path, const ReadOptions& options = {}) {
    auto picture = Picture::open(path, options);
    if (!picture) return picture.error();
    auto image = picture->load();
    if (!image) return image.error();
    ADD_FAILURE() << path << " was not refused";
    return {};
}

}  // namespace fixtures
