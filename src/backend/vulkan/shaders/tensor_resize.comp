// SPDX-License-Identifier: Apache-2.0
// ResizeTensor of backend/tensors/params.hpp. A place is kept as a whole number and a rest, so that it is exact however
// large the picture; sides are below 2^15 (session.cpp), so 32 bits hold all of it.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at;
    int channels, height, width, out_height, out_width, kind, align_corners;
    float cubic;
} p;
TENSOR(1, source)
TENSOR(2, result)

float keys_cubic(float x, float a) {
    x = abs(x);
    if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

struct Taps {
    int first, count;
    float weight[4];
};

Taps taps_at(int i, int from, int to) {
    Taps taps;
    taps.weight[0] = 1.0;
    taps.weight[1] = taps.weight[2] = taps.weight[3] = 0.0;
    if (p.kind == 0) {
        taps.first = i * from / to;
        taps.count = 1;
        return taps;
    }
    // place = over / under. In lowest terms but for the 2: cards divide a little wrongly, and a tile's rests must be those
    // of the whole picture.
    int over = to > 1 ? i * (from - 1) : 0, under = to > 1 ? to - 1 : 1;
    if (p.align_corners == 0) {
        int divisor = from;
        for (int rest = to; rest != 0;) {
            const int next = divisor % rest;
            divisor = rest;
            rest = next;
        }
        over = (2 * i * from + from - to) / divisor;
        under = 2 * (to / divisor);
    }
    if (p.kind == 1 && over < 0) over = 0;
    int whole = over / under;
    if (whole * under > over) --whole;
    const float part = float(over - whole * under) / float(under);
    if (p.kind == 1) {
        taps.first = whole;
        taps.count = 2;
        taps.weight[0] = 1.0 - part;
        taps.weight[1] = part;
        return taps;
    }
    taps.first = whole - 1;
    taps.count = 4;
    for (int k = 0; k < 4; ++k) taps.weight[k] = keys_cubic(part + 1.0 - float(k), p.cubic);
    return taps;
}

void main() {
    const int plane = p.out_height * p.out_width;
    ITEMS(item) {
        const int i = int(item), c = i / plane, pixel = i - c * plane, y = pixel / p.out_width;
        const Taps down = taps_at(y, p.height, p.out_height),
                   across = taps_at(pixel - y * p.out_width, p.width, p.out_width);
        float sum = 0.0;
        for (int a = 0; a < down.count; ++a)
            for (int b = 0; b < across.count; ++b) {
                const int yy = clamp(down.first + a, 0, p.height - 1), xx = clamp(across.first + b, 0, p.width - 1);
                sum += down.weight[a] * across.weight[b] *
                       float(source[p.in_at.x + uint((c * p.height + yy) * p.width + xx)]);
            }
        result[p.out_at.x + item] = REAL(sum);
    }
}
