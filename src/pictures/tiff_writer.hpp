// SPDX-License-Identifier: Apache-2.0
// TIFF files: deflate in strips, with a predictor.
#pragma once

#include <memory>
#include <span>

#include "enlarge/image.hpp"
#include "pictures/boxes.hpp"
#include "pictures/output_file.hpp"
#include "pictures/strip_writer.hpp"

namespace enlarge::pictures {

// What a TIFF file says beside its pixels; everything may be empty.
struct TiffDescription {
    std::span<const std::byte> profile;    // ICC
    std::span<const std::byte> exif, xmp;  // as Blocks has them
    std::span<const std::byte> iptc;       // records alone
    std::span<const std::byte> photoshop;  // resources ("8BIM")
    Resolution resolution;
};

// Writes one whole file: grey or RGB, with or without alpha (not multiplied), of 8 or 16 bits or floats; BigTIFF where
// the pixels are more than 3.9 GB. `file` is empty and must outlive the writer; of `described`, what it refers to.
Result<std::unique_ptr<RowWriter>> tiff_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads,
                                               const TiffDescription& described);

}  // namespace enlarge::pictures
