// SPDX-License-Identifier: Apache-2.0
// ICC profiles, and XMP packets: what has to change when a picture is enlarged.
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
// Whether it is a profile for grey pictures, or for RGB.
bool icc_is_grey(std::span<const std::byte> profile);
bool icc_is_rgb(std::span<const std::byte> profile);

// The XMP packet with orientation and sizes corrected; thumbnails, pointers to further packets and what it says of gain
// maps and films in the same file removed; and, when they are not empty, the record that the network `model` enlarged
// the picture, and `comment` (UTF-8) where there is no user comment yet. `xmp` may be empty. Everything else stays byte
// for byte; so does all of a packet that is not well-formed.
std::string updated_xmp(const std::string& xmp, Size size, const std::string& model, const std::string& comment = {},
                        bool turned = false);

// What a packet says is in the file beside the picture, whether it has a user comment, and whether it has places in the
// picture (regions of faces, the subject's), which updated_xmp removes when the picture was `turned`.
struct XmpClaims {
    bool gain_map = false, film = false, comment = false, places = false;
};
XmpClaims xmp_claims(const std::string& xmp);

// A JPEG's main packet with the properties of its extended one in it; empty when that cannot be done.
std::string merged_xmp(const std::string& main, const std::string& extended);

// Text of an encoding that is not stated: UTF-8 where it is that, else taken for Latin-1.
std::string utf8(const std::string& text);

}  // namespace enlarge::pictures
