// SPDX-License-Identifier: Apache-2.0
// PairNumbers of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 a_at, b_at, out_at;
    uvec2 count;
    uvec2 sides[8], step_a[8], step_b[8];
    int rank, kind;
    float alpha, beta;
} p;
TENSOR(1, left)
TENSOR(2, right)
TENSOR(3, result)

void main() {
    ITEMS(i) {
        uint rest = i, from_a = 0, from_b = 0;
        for (int k = p.rank - 1; k >= 0; --k) {
            const uint side = p.sides[k].x, next = rest / side, at = rest - next * side;
            from_a += at * p.step_a[k].x;
            from_b += at * p.step_b[k].x;
            rest = next;
        }
        const float a = float(left[p.a_at.x + from_a]), b = float(right[p.b_at.x + from_b]);
        float v = p.alpha * a + p.beta * b;
        if (p.kind == 1) v = a * b;
        if (p.kind == 2) v = a > b || is_nan(a) ? a : b;
        if (p.kind == 3) v = (a + b) * (sigmoid_of(a) - 0.5);
        result[p.out_at.x + i] = REAL(v);
    }
}
