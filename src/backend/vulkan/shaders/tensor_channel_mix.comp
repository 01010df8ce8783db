// SPDX-License-Identifier: Apache-2.0
// ChannelMix of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, scores_at, out_at;
    int channels, heads, height, width, window_h, window_w;
} p;
TENSOR(1, source)
TENSOR(2, scores)
TENSOR(3, result)

void main() {
    const int plane = p.height * p.width, size = p.channels / p.heads, across = p.width / p.window_w;
    ITEMS(item) {
        const int i = int(item), c = i / plane, head = c / size, pixel = i - c * plane;
        const int window = pixel / p.width / p.window_h * across + pixel % p.width / p.window_w;
        const uint shares = p.scores_at.x + uint((window * p.channels + c) * size);
        const uint v = p.in_at.x + uint((2 * p.channels + head * size) * plane + pixel);
        float sum = 0.0;
        for (int d = 0; d < size; ++d) sum += scores[shares + uint(d)] * source[v + uint(d * plane)];
        result[p.out_at.x + item] = sum;
    }
}
