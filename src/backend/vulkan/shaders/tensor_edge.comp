// SPDX-License-Identifier: Apache-2.0
// EdgeTensor of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "edge.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at;
    int channels, height, width, pitch, rows, out_height, out_width, top, left, kind;
} p;
TENSOR(1, source)
TENSOR(2, result)

void main() {
    const int plane = p.out_height * p.out_width;
    ITEMS(item) {
        const int i = int(item), c = i / plane, pixel = i - c * plane;
        const int y = pixel / p.out_width - p.top, x = pixel % p.out_width - p.left;
        const bool inside = y >= 0 && x >= 0 && y < p.height && x < p.width;
        float value = 0.0;
        if (inside || p.kind != kEdgeZeros)
            value = float(source[p.in_at.x + uint((c * p.rows + edge_place(y, p.height, p.kind)) * p.pitch +
                                            edge_place(x, p.width, p.kind))]);
        result[p.out_at.x + item] = REAL(value);
    }
}
