// SPDX-License-Identifier: Apache-2.0
// MatrixProduct of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 a_at, b_at, bias_at, out_at;
    uvec2 batch, m, n, k;
    int transpose_b, one_b;
    float scale;
} p;
TENSOR(1, left)
TENSOR(2, right)
TENSOR(3, bias)
TENSOR(4, result)

void main() {
    ITEMS(i) {
        const uint row = i / p.n.x, column = i - row * p.n.x;
        uint a = p.a_at.x + row * p.k.x;
        uint b = p.b_at.x + (p.one_b != 0 ? 0 : row / p.m.x * p.k.x * p.n.x) +
                 (p.transpose_b != 0 ? column * p.k.x : column);
        const uint next = p.transpose_b != 0 ? 1 : p.n.x;
        float sum = 0.0;
        for (uint k = 0; k < p.k.x; ++k, ++a, b += next) sum += left[a] * right[b];
        result[p.out_at.x + i] = p.scale * sum + (p.bias_at.y != 0 ? bias[p.bias_at.x + column] : 0.0);
    }
}
