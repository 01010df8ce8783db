// SPDX-License-Identifier: Apache-2.0
// Between pictures of every format and whole tensors in float.
#pragma once

#include "items.cuh"
#include "pixels.cuh"

namespace enlarge::cuda {

ENLARGE_KERNEL(load_planes, LoadPixels, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.in.height) * p.in.width;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const std::int64_t pixel = i % plane;
        reinterpret_cast<float*>(p.out)[i] =
            read_channel(p.in, static_cast<int>(i / plane), static_cast<int>(pixel % p.in.width),
                         static_cast<int>(pixel / p.in.width));
    }
}

ENLARGE_KERNEL(store_planes, StorePixels, 256, 1) {
    bool finite = true;
    for (std::int64_t i = first_item(); i < static_cast<std::int64_t>(p.out.height) * p.out.width; i += item_step()) {
        const int y = static_cast<int>(i / p.out.width), x = static_cast<int>(i % p.out.width);
        for (int c = 0; c < p.out.channels; ++c) {
            const std::int64_t row = static_cast<std::int64_t>(c) * p.height + p.y + y;
            const float v = reinterpret_cast<const float*>(p.in)[row * p.width + p.x + x];
            finite = finite && is_finite(v);
            write_channel(p.out, c, x, y, v);
        }
    }
    if (!finite) raise_flag(p.flags);
}

}  // namespace enlarge::cuda
