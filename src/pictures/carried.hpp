// SPDX-License-Identifier: Apache-2.0
// Archives and wheels that carry libvips carry what it loads while running, too.
#pragma once

namespace enlarge::pictures {

// Loads libvips's modules for AVIF, HEIF, JPEG XL and BMP out of the folder enlarge-modules beside libvips, where there
// is one: libvips itself looks only where Debian has them. Call once, after vips_init().
void load_carried_modules();

}  // namespace enlarge::pictures
