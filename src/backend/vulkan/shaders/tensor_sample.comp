// SPDX-License-Identifier: Apache-2.0
// SampleTensor of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, places_at, out_at;
    int channels, height, width, out_height, out_width, groups, border, align_corners, offsets;
} p;
TENSOR(1, source)
TENSOR(2, places)
TENSOR(3, result)

// The pixel before a place and how far beyond it the place is; NaN stays in the share.
void sample_place(float at, int size, int result_at, int of, out int first, out float share) {
    const float n = float(size);
    int base = 0;
    float pixel = p.align_corners != 0 ? (at + 1.0) * 0.5 * (n - 1.0) : ((at + 1.0) * n - 1.0) * 0.5;
    if (p.offsets != 0) {
        base = result_at * size / of;
        pixel = at;
    }
    first = 0;
    share = at;
    if (is_nan(pixel)) return;
    const float low = (p.border != 0 ? 0.0 : -2.0) - float(base),
                high = (p.border != 0 ? n - 1.0 : n + 1.0) - float(base);
    if (pixel < low) pixel = low;
    if (pixel > high) pixel = high;
    first = base + int(floor(pixel));
    share = pixel - floor(pixel);
}

void main() {
    const int plane = p.out_height * p.out_width;
    ITEMS(item) {
        const int i = int(item), c = i / plane, pixel = i - c * plane, group = c / (p.channels / p.groups);
        const int y = pixel / p.out_width, x = pixel - y * p.out_width;
        int left, top;
        float right, bottom;
        sample_place(places[p.places_at.x + uint(2 * group * plane + pixel)], p.width, x, p.out_width, left, right);
        sample_place(places[p.places_at.x + uint((2 * group + 1) * plane + pixel)], p.height, y, p.out_height, top,
                     bottom);
        float sum = is_nan(right) ? right : is_nan(bottom) ? bottom : 0.0;
        for (int tap = 0; tap < 4; ++tap) {
            const int yy = top + tap / 2, xx = left + tap % 2;
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            sum += (tap / 2 != 0 ? bottom : 1.0 - bottom) * (tap % 2 != 0 ? right : 1.0 - right) *
                   source[p.in_at.x + uint((c * p.height + yy) * p.width + xx)];
        }
        result[p.out_at.x + item] = sum;
    }
}
