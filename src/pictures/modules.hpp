// SPDX-License-Identifier: Apache-2.0
// What libvips keeps in modules of its own: AVIF and HEIC, JPEG XL, BMP. They are loaded when the first such picture is
// met: with the fifty libraries they stand on they take as long as all the rest of libvips.
#pragma once

#include "enlarge/picture.hpp"

namespace enlarge::pictures {

// After this libvips can read and write the format, if its module is there: in the folder enlarge-modules beside
// libvips, as archives and wheels carry them, or in libvips's own. Any thread, any number of times, after start_vips().
void load_module_of(PictureFormat format);

}  // namespace enlarge::pictures
