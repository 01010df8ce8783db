// SPDX-License-Identifier: Apache-2.0
// Writing PGM, PPM and PFM: a line of text and the numbers. Our own, for exactness: any number of bits, floats unclamped.
#pragma once

#include <span>

#include "enlarge/picture.hpp"
#include "pictures/output_file.hpp"

namespace enlarge::pictures {

inline bool is_pnm(PictureFormat format) { return format == PictureFormat::pnm || format == PictureFormat::pfm; }

// The header. Grey becomes PGM (P5, Pf), RGB becomes PPM (P6, PF).
std::span<const std::byte> pnm_header(Size size, const PixelFormat& pixels, PictureFormat format);

// Rows that end before row `end`. PFM stores the bottom row first, so each row is written where it belongs.
Result<void> write_pnm_rows(OutputFile& file, const ImageView& rows, PictureFormat format, Size size, int end);

}  // namespace enlarge::pictures
