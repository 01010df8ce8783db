// SPDX-License-Identifier: Apache-2.0
// MoveNumbers of backend/tensors/params.hpp. Steps may be negative: numbers of 32 bits wrap as they should.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at;
    uvec2 count;
    uvec2 sides[8], from[8], to[8];
    int rank;
} p;
TENSOR(1, source)
TENSOR(2, result)

void main() {
    ITEMS(i) {
        uint rest = i, from = p.in_at.x, to = p.out_at.x;
        for (int k = p.rank - 1; k >= 0; --k) {
            const uint side = p.sides[k].x, next = rest / side, at = rest - next * side;
            from += at * p.from[k].x;
            to += at * p.to[k].x;
            rest = next;
        }
        result[to] = source[from];
    }
}
