// SPDX-License-Identifier: Apache-2.0
// SortLines of backend/tensors/params.hpp: how many come before it is a number's place; equals stay in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at;
    uvec2 lines, side, inner;
    int descending;
} p;
TENSOR(1, source)
TENSOR(2, result)

void main() {
    const uint side = p.side.x, inner = p.inner.x;
    ITEMS(item) {
        const uint line = item / side, own = item - line * side;
        const uint start = line / inner * side * inner + line % inner, from = p.in_at.x + start;
        const float mine = source[from + own * inner];
        uint before = 0;
        for (uint i = 0; i < side; ++i) {
            const float other = source[from + i * inner];
            const bool earlier = other == mine ? i < own : p.descending != 0 ? other > mine : other < mine;
            before += earlier ? 1 : 0;
        }
        result[p.out_at.x + start + before * inner] = float(own);
    }
}
