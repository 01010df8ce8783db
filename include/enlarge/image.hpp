// SPDX-License-Identifier: Apache-2.0
// Pictures in memory: formats, borrowed views, owned images.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "enlarge/result.hpp"

namespace enlarge {

struct Size {
    int width = 0;
    int height = 0;
    friend bool operator==(const Size&, const Size&) = default;
};

// A rectangle of pixels; x and y are its left and top.
struct Rect {
    int x = 0;
    int y = 0;
    int width = 0;
    int height = 0;
    [[nodiscard]] Size size() const { return {width, height}; }
    [[nodiscard]] int right() const { return x + width; }
    [[nodiscard]] int bottom() const { return y + height; }
    friend bool operator==(const Rect&, const Rect&) = default;
};

// How one sample is stored. u16 holds 9 to 16 significant bits in the low end (PixelFormat::bits), native byte order.
enum class SampleType : std::uint8_t { u8, u16, f16, f32 };

// Integer samples stand for value / (2^bits - 1); floats for themselves, 0 black and 1 white, unclamped.
struct PixelFormat {
    SampleType sample = SampleType::u8;
    std::uint8_t bits = 8;      // 8 for u8, 9..16 for u16, 16 for f16, 32 for f32
    std::uint8_t channels = 3;  // 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA (alpha last, not premultiplied)
    bool planar = false;        // one plane per channel (R, G, B, A) instead of one packed plane
    friend bool operator==(const PixelFormat&, const PixelFormat&) = default;
};

inline constexpr PixelFormat kRgb8{SampleType::u8, 8, 3, false};
inline constexpr PixelFormat kRgb16{SampleType::u16, 16, 3, false};
inline constexpr PixelFormat kRgbF32{SampleType::f32, 32, 3, false};
inline constexpr PixelFormat kRgbF32Planar{SampleType::f32, 32, 3, true};

// Pixels that somebody else owns, for the length of a call. Strides are in bytes and may be negative.
template <class Byte>
struct BasicImageView {
    PixelFormat format;
    Size size;
    std::array<Byte*, 4> plane{};
    std::array<std::ptrdiff_t, 4> stride_bytes{};

    // First byte of row y of plane p.
    [[nodiscard]] Byte* row(int p, int y) const {
        return plane[static_cast<std::size_t>(p)] + stride_bytes[static_cast<std::size_t>(p)] * y;
    }
    // The part `rect` of this view, which must lie inside.
    [[nodiscard]] BasicImageView part(const Rect& rect) const {
        BasicImageView view = *this;
        view.size = rect.size();
        const int width = format.sample == SampleType::u8 ? 1 : format.sample == SampleType::f32 ? 4 : 2;
        const int planes = format.planar ? format.channels : 1;
        const std::ptrdiff_t step = std::ptrdiff_t{width} * (format.planar ? 1 : format.channels);
        for (int p = 0; p < planes; ++p) view.plane[static_cast<std::size_t>(p)] = row(p, rect.y) + step * rect.x;
        return view;
    }
    operator BasicImageView<const Byte>() const
        requires(!std::is_const_v<Byte>)
    {
        BasicImageView<const Byte> view{format, size, {}, stride_bytes};
        for (std::size_t p = 0; p < 4; ++p) view.plane[p] = plane[p];
        return view;
    }
};
using ImageView = BasicImageView<const std::byte>;
using MutableImageView = BasicImageView<std::byte>;

// Owned pixels, rows 64-byte aligned. Moved, never copied.
class Image {
public:
    Image() = default;
    // Uninitialised pixels. Throws std::bad_alloc.
    Image(Size size, PixelFormat format);

    [[nodiscard]] Size size() const { return view_.size; }
    [[nodiscard]] const PixelFormat& format() const { return view_.format; }
    [[nodiscard]] bool empty() const { return !storage_; }
    [[nodiscard]] ImageView view() const { return view_; }
    [[nodiscard]] MutableImageView view() { return view_; }

private:
    struct Free {
        void operator()(std::byte* p) const;
    };
    std::unique_ptr<std::byte, Free> storage_;
    MutableImageView view_;
};

// Rows of a picture that arrives from top to bottom: a file, a camera, a test.
class RowSource {
public:
    virtual ~RowSource() = default;
    [[nodiscard]] virtual Size size() const = 0;
    [[nodiscard]] virtual PixelFormat format() const = 0;
    // Fills `rows` (full width, format()) with the next rows.size.height rows. Each row is read once, in order.
    virtual Result<void> read(const MutableImageView& rows) = 0;
    // Whether this is known to be a picture in shades of grey that is stored as RGB or RGBA: red, green and blue equal
    // in every visible pixel (of 8 bits to one step). Then its enlargement is one, too. Asked before the first read();
    // fails as that would.
    virtual Result<bool> colourless() { return false; }
};

// Where the rows of a result go, from top to bottom.
class RowSink {
public:
    virtual ~RowSink() = default;
    // Takes the next rows (full width). Each row is written once, in order.
    virtual Result<void> write(const ImageView& rows) = 0;
};

}  // namespace enlarge
