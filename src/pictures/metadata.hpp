// SPDX-License-Identifier: Apache-2.0
// EXIF, XMP and ICC blocks: what has to change when a picture is enlarged.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "pictures/vips.hpp"

namespace enlarge::pictures {

// A metadata block of an image, or empty. Valid as long as the image.
std::span<const std::byte> blob(VipsImage* image, const char* name);

// The name a profile gives itself ("Display P3"); empty when it has none.
std::string icc_description(std::span<const std::byte> profile);
// Whether it is a profile for grey pictures.
bool icc_is_grey(std::span<const std::byte> profile);

// The XMP packet with orientation and sizes corrected, thumbnails removed and, when `model` is not empty, the record that
// this network enlarged the picture. `xmp` may be empty. Everything else stays byte for byte.
std::string updated_xmp(std::string xmp, Size size, const std::string& model);

// Corrects everything in `image` that describes the picture before (EXIF, XMP), and brings IPTC into the form of `format`.
void update_metadata(VipsImage* image, Size size, PictureFormat format, const std::string& model);

}  // namespace enlarge::pictures
