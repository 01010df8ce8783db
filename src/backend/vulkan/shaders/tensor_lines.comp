// SPDX-License-Identifier: Apache-2.0
// Lines of backend/tensors/params.hpp: a thread for each.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at, scale_at, shift_at;
    uvec2 lines, side, inner;
    int kind;
    float epsilon;
} p;
TENSOR(1, source)
TENSOR(2, result)
CONSTANTS(3, scale)
CONSTANTS(4, shift)

const int kLayerNorm = 0, kRmsNorm = 1, kL2Norm = 2, kSoftmax = 3, kArgmax = 4;

void main() {
    const uint side = p.side.x, inner = p.inner.x;
    const float count = float(side);
    ITEMS(line) {
        const uint start = line / inner * side * inner + line % inner, from = p.in_at.x + start,
                   to = p.out_at.x + start;
        float sum = 0.0, squares = 0.0, largest = float(source[from]);
        uint best = 0;
        for (uint i = 0; i < side; ++i) {
            const float v = float(source[from + i * inner]);
            sum += v;
            squares += v * v;
            if (v > largest) {
                largest = v;
                best = i;
            }
        }
        if (p.kind == kArgmax) {
            result[p.out_at.x + line] = REAL(float(best));
            continue;
        }
        float mean = 0.0, factor = 1.0;
        if (p.kind == kLayerNorm) {
            mean = sum / count;
            float variance = 0.0;
            for (uint i = 0; i < side; ++i) {
                const float d = float(source[from + i * inner]) - mean;
                variance += d * d;
            }
            factor = 1.0 / sqrt(variance / count + p.epsilon);
        }
        if (p.kind == kRmsNorm) factor = 1.0 / sqrt(squares / count + p.epsilon);
        if (p.kind == kL2Norm) factor = 1.0 / (sqrt(squares) < p.epsilon ? p.epsilon : sqrt(squares));
        if (p.kind == kSoftmax) {
            sum = 0.0;
            for (uint i = 0; i < side; ++i) sum += exp(float(source[from + i * inner]) - largest);
        }
        for (uint i = 0; i < side; ++i) {
            const float x = float(source[from + i * inner]);
            float v = p.kind == kSoftmax ? exp(x - largest) / sum : (x - mean) * factor;
            if (p.scale_at.y != 0) v *= scale[p.scale_at.x + i];
            if (p.shift_at.y != 0) v += shift[p.shift_at.x + i];
            result[to + i * inner] = REAL(v);
        }
    }
}
