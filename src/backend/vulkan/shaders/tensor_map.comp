// SPDX-License-Identifier: Apache-2.0
// MapNumbers of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "activation.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at, scale_at, shift_at;
    uvec2 count, plane;
    int kind;
    float low, high;
} p;
TENSOR(1, source)
TENSOR(2, result)
CONSTANTS(3, scale)
CONSTANTS(4, shift)

float mapped(float x, uint i) {
    const float factor = p.kind >= kPrelu ? scale[p.scale_at.x + i / p.plane.x] : 0.0;
    if (p.kind > kPrelu) return x * factor + shift[p.shift_at.x + i / p.plane.x];
    return activation(p.kind, x, p.low, p.high, factor);
}

void main() { ITEMS(i) result[p.out_at.x + i] = REAL(mapped(float(source[p.in_at.x + i]), i)); }
