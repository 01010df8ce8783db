// SPDX-License-Identifier: Apache-2.0
// DynamicConv of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, kernels_at, out_at;
    int channels, height, width, kernel, groups, kernel_rows, kernel_columns;
} p;
TENSOR(1, source)
TENSOR(2, kernels)
TENSOR(3, result)

void main() {
    const int plane = p.height * p.width, kernel_plane = p.kernel_rows * p.kernel_columns;
    const int taps = p.kernel * p.kernel, wide = p.channels / p.groups;
    ITEMS(item) {
        const int i = int(item), c = i / plane, pixel = i - c * plane, y = pixel / p.width, x = pixel - y * p.width;
        const int place = (p.kernel_rows == 1 ? 0 : y) * p.kernel_columns + (p.kernel_columns == 1 ? 0 : x);
        float sum = 0.0;
        for (int tap = 0; tap < taps; ++tap) {
            const int yy = y + tap / p.kernel - p.kernel / 2, xx = x + tap % p.kernel - p.kernel / 2;
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            sum += float(kernels[p.kernels_at.x + uint((c / wide * taps + tap) * kernel_plane + place)]) *
                   float(source[p.in_at.x + uint(c * plane + yy * p.width + xx)]);
        }
        result[p.out_at.x + item] = REAL(sum);
    }
}
