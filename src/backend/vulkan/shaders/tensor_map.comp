// SPDX-License-Identifier: Apache-2.0
// MapNumbers of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at, scale_at, shift_at;
    uvec2 count, plane;
    int kind;
    float low, high;
} p;
TENSOR(1, source)
TENSOR(2, result)
TENSOR(3, scale)
TENSOR(4, shift)

float mapped(float x, uint i) {
    switch (p.kind) {
        case 0: return x < 0.0 ? p.low * x : x;
        case 1: return x * sigmoid_of(x);
        case 2: return x * 0.5 * (1.0 + erf_of(x * 0.70710678));
        case 3: return x * 0.5 * (1.0 + tanh_of(0.79788456 * (x + 0.044715 * x * x * x)));
        case 4: return x * tanh_of(x > 30.0 ? x : log(1.0 + exp(x)));
        case 5: return sigmoid_of(x);
        case 6: return is_nan(x) ? x : x * min(max(x + 3.0, 0.0), 6.0) / 6.0;
        case 7: return tanh_of(x);
        case 8: return exp(x);
        case 9: return sqrt(x);
        case 10: return abs(x);
        case 11: return x < p.low ? p.low : x > p.high ? p.high : x;
        case 12: return x < 0.0 ? scale[p.scale_at.x + i / p.plane.x] * x : x;
        default: return x * scale[p.scale_at.x + i / p.plane.x] + shift[p.shift_at.x + i / p.plane.x];
    }
}

void main() { ITEMS(i) result[p.out_at.x + i] = mapped(source[p.in_at.x + i], i); }
