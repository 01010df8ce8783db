// SPDX-License-Identifier: Apache-2.0
// JPEG files in strips that several threads encode.
#pragma once

#include <memory>
#include <span>

#include "enlarge/image.hpp"
#include "pictures/boxes.hpp"
#include "pictures/output_file.hpp"
#include "pictures/strip_writer.hpp"

namespace enlarge::pictures {

// What a JPEG file says beside its pixels; everything may be empty.
struct JpegDescription {
    std::span<const std::byte> profile;  // ICC
    std::span<const std::byte> iptc;     // as iptc_for_jpeg() gives it
    const Blocks& blocks;
    const Resolution& resolution;
};

// Writes one whole file: grey or RGB of 8 bits; full chroma from quality 90 on. `file` is empty and must outlive the
// writer. Each strip of rows is what libjpeg makes of it, with the tables of the standard, and a restart marker stands
// between strips: the pixels that come out are those of one piece.
Result<std::unique_ptr<RowWriter>> jpeg_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads,
                                               int quality, const JpegDescription& described);

}  // namespace enlarge::pictures
