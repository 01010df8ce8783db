// SPDX-License-Identifier: Apache-2.0
// Lossy WebP files.
#pragma once

#include <memory>
#include <span>

#include "enlarge/image.hpp"
#include "pictures/output_file.hpp"
#include "pictures/strip_writer.hpp"

namespace enlarge::pictures {

// What a WebP file says beside its pixels; everything may be empty.
struct WebpDescription {
    std::span<const std::byte> profile;    // ICC, not for grey: WebP is RGB
    std::span<const std::byte> exif, xmp;  // as Blocks has them
};

class WebpRowWriter : public RowWriter {
public:
    // After finish(), whatever it returned: the picture in the same pixel format, with the chroma that WebP keeps.
    virtual Result<void> write_again(RowWriter& to) = 0;
};

// Writes one whole file: grey (as RGB) or RGB, with or without alpha, of 8 bits, at most 16383 pixels a side. `file` is
// empty and must outlive the writer, and so must what `described` refers to. All threads turn strips of rows into YUV;
// what follows is one thread's work, since libwebp's encoder is. finish() returns Errc::limit where a picture does not
// fit into the format, which only its pixels decide, and Errc::cancelled where `stopped` says so; libwebp asks it up to
// a hundred times.
std::unique_ptr<WebpRowWriter> webp_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads,
                                           int quality, const WebpDescription& described,
                                           std::function<bool()> stopped = {});

// How libwebp encodes a picture of so many blocks of 16x16 pixels.
struct WebpEffort {
    double most_blocks;
    int partition_limit;  // WebPConfig's: how far blocks are kept from being predicted in sixteen parts
    int segments;
};
// The first that is for a picture, then those to try when that fails.
std::span<const WebpEffort> webp_efforts(Size size);

// Whether photographs of this size are more than the last of them has room for.
bool webp_may_refuse(Size size);

}  // namespace enlarge::pictures
