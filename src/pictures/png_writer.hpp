// SPDX-License-Identifier: Apache-2.0
// The pixels of a PNG file.
#pragma once

#include <memory>

#include "enlarge/image.hpp"
#include "pictures/output_file.hpp"
#include "pictures/strip_writer.hpp"

namespace enlarge::pictures {

// Writes the image data of one PNG file, and its end: a chunk for each strip of rows. 8 or 16 bits, 1 to 4 channels.
// What comes before the pixels is in `file` already, which must outlive the writer.
std::unique_ptr<RowWriter> png_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads);

}  // namespace enlarge::pictures
