// SPDX-License-Identifier: Apache-2.0
// Metadata that libvips 8.14 leaves out: EXIF and XMP of JPEG XL, EXIF of TIFF. Works on finished or unread files.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "pictures/input.hpp"
#include "pictures/output_file.hpp"

namespace enlarge::pictures {

using Bytes = std::vector<std::byte>;

struct Blocks {
    Bytes exif;  // a TIFF structure, without "Exif\0\0"
    Bytes xmp;
    Bytes iptc;  // records alone
};

// Reads them from a JPEG XL container; empty for a bare codestream. Never fails: damaged boxes are ignored.
Blocks read_jxl_blocks(const Input& file);
// Adds them to a finished JPEG XL file, which becomes a container if it was not.
Result<void> add_jxl_blocks(OutputFile& file, const Blocks& blocks);

// EXIF of a TIFF: camera, dates, author and the EXIF and GPS directories, as a block of its own. Empty when there is none.
Bytes read_tiff_exif(const Input& file);
// The IPTC records of a TIFF as it holds them.
Bytes read_tiff_iptc(const Input& file);
// Adds the tags of an EXIF block to the first directory of a finished TIFF file, where they are not there already, and
// the IPTC records (libvips 8.14 writes a quarter of them). Either may be empty.
Result<void> add_tiff_blocks(OutputFile& file, std::span<const std::byte> exif, std::span<const std::byte> iptc);

// Makes an EXIF block (with or without "Exif\0\0") say: upright, this size, no thumbnail.
void update_exif(Bytes& exif, Size size);

// The IPTC block as JPEG holds it ("Photoshop 3.0" and resources) from either form, and as TIFF does (the records alone).
Bytes iptc_for_jpeg(std::span<const std::byte> iptc);
Bytes iptc_for_tiff(std::span<const std::byte> iptc);

// Puts an EXIF block on an image with all that libvips derives from one. Does nothing when it cannot be parsed.
void attach_exif(VipsImage* image, std::span<const std::byte> exif);

}  // namespace enlarge::pictures
