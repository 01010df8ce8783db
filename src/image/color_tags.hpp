// SPDX-License-Identifier: Apache-2.0
// What the numbers of a video frame mean: the tags that H.273 defines and every codec and container carries.
#pragma once

#include <cstdint>

#include "enlarge/image.hpp"

namespace enlarge {

enum class Range : std::uint8_t { unspecified, limited, full };

// Where a chroma sample lies relative to the luma samples it covers. The numbers are those of H.264/H.265 plus one.
enum class ChromaSiting : std::uint8_t { unspecified, left, center, top_left, top, bottom_left, bottom };

// Code points of ITU-T H.273 (ISO/IEC 23091-2), which are those of libavutil too; 2 means unspecified.
struct ColorTags {
    std::uint8_t matrix = 2;     // 0 RGB, 1 BT.709, 5 and 6 BT.601, 9 BT.2020 non-constant luminance ...
    std::uint8_t primaries = 2;  // 1 BT.709, 5 and 6 BT.601, 9 BT.2020 ...
    std::uint8_t transfer = 2;   // 1 BT.709, 13 sRGB, 16 PQ, 18 HLG ...
    Range range = Range::unspecified;
    ChromaSiting siting = ChromaSiting::unspecified;
    friend bool operator==(const ColorTags&, const ColorTags&) = default;
};

// Fills what is unspecified with the usual guess: RGB is full range, all else limited; the matrix is BT.2020 where the
// primaries are, BT.601 up to 576 lines, else BT.709; chroma lies left. Primaries and transfer stay unspecified: no
// conversion here needs them.
ColorTags guess_missing(ColorTags tags, Size size, bool rgb);

}  // namespace enlarge
