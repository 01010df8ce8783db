// SPDX-License-Identifier: Apache-2.0
// Video frames as codecs hold them: planes of YUV, RGB or grey, some at lower resolution.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "enlarge/image.hpp"
#include "image/color_tags.hpp"

namespace enlarge {

enum class FrameFamily : std::uint8_t { grey, yuv, rgb };

// How samples lie in memory. Every plane holds integers of `bits` in the low end of 1 (8 bits) or 2 (9..16 bits) bytes.
struct FrameFormat {
    FrameFamily family = FrameFamily::yuv;
    std::uint8_t bits = 8;        // 8..16
    std::uint8_t sub_x = 1;       // log2 of the horizontal chroma subsampling: 1 for 4:2:0 and 4:2:2
    std::uint8_t sub_y = 1;       // log2 of the vertical chroma subsampling: 1 for 4:2:0
    bool semi_planar = false;     // chroma interleaved in plane 1, U first: NV12, NV16, P010
    bool high_bits = false;       // samples lie in the high end of 16 bits: P010
    bool alpha = false;           // plane 3, full resolution (RGB and YUV; plane 1 for grey), full range
    ColorTags tags;
    friend bool operator==(const FrameFormat&, const FrameFormat&) = default;
};

// Planes that somebody else owns, for the length of a call, in the order Y U V A, R G B A or grey A.
// libavutil's GBRP has its planes in the order G B R: give them here as R G B. Strides are in bytes, may be negative.
// Chroma planes of odd sizes are rounded up, as everywhere.
template <class Byte>
struct BasicFrameView {
    FrameFormat format;
    Size size;  // of luma
    std::array<Byte*, 4> plane{};
    std::array<std::ptrdiff_t, 4> stride_bytes{};

    operator BasicFrameView<const Byte>() const
        requires(!std::is_const_v<Byte>)
    {
        BasicFrameView<const Byte> view{format, size, {}, stride_bytes};
        for (std::size_t p = 0; p < 4; ++p) view.plane[p] = plane[p];
        return view;
    }
};
using FrameView = BasicFrameView<const std::byte>;
using MutableFrameView = BasicFrameView<std::byte>;

}  // namespace enlarge
