// SPDX-License-Identifier: Apache-2.0
// ChannelScores of backend/tensors/params.hpp: a thread for each pair of channels of each head and window.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, temperature_at, scores_at;
    int channels, heads, height, width, window_h, window_w;
    float epsilon;
} p;
TENSOR(1, source)
TENSOR(2, temperature)
TENSOR(3, scores)

void main() {
    const int plane = p.height * p.width, size = p.channels / p.heads, across = p.width / p.window_w;
    ITEMS(item) {
        const int i = int(item), d = i % size, c = i / size % p.channels, head = c / size;
        const int window = i / size / p.channels;
        const int corner = window / across * p.window_h * p.width + window % across * p.window_w;
        const uint q = p.in_at.x + uint(c * plane + corner),
                   k = p.in_at.x + uint((p.channels + head * size + d) * plane + corner);
        float product = 0.0, q_length = 0.0, k_length = 0.0;
        for (int y = 0; y < p.window_h; ++y)
            for (int x = 0; x < p.window_w; ++x) {
                const float a = source[q + uint(y * p.width + x)], b = source[k + uint(y * p.width + x)];
                product += a * b;
                q_length += a * a;
                k_length += b * b;
            }
        const float lengths = max(sqrt(q_length), p.epsilon) * max(sqrt(k_length), p.epsilon);
        scores[p.scores_at.x + item] = product / lengths * temperature[p.temperature_at.x + uint(head)];
    }
}
