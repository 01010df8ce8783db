// SPDX-License-Identifier: Apache-2.0
// Pictures of 8-bit RGB for tests that see public headers only.
#pragma once

#include <enlarge/image.hpp>

#include <cstddef>
#include <cstring>

namespace enlarge::test {

inline Image picture(Size size) {
    Image image(size, kRgb8);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x)
            for (int c = 0; c < 3; ++c) image.view().row(0, y)[3 * x + c] = std::byte((x * 5 + y * 3 + c * 40) & 255);
    return image;
}

inline bool same(const Image& a, const Image& b) {
    if (!(a.size() == b.size()) || !(a.format() == b.format())) return false;
    const auto bytes = 3 * static_cast<std::size_t>(a.size().width);
    for (int y = 0; y < a.size().height; ++y)
        if (std::memcmp(a.view().row(0, y), b.view().row(0, y), bytes) != 0) return false;
    return true;
}

}  // namespace enlarge::test
