// SPDX-License-Identifier: Apache-2.0
// FusedConv of backend/tensors/params.hpp and what follows a convolution's sum. After tensor.glsl. The weights are bound
// by each kernel in its own form.
#include "activation.glsl"

layout(constant_id = 3) const int kKind = -1;  // of the activation

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at, weights_at, bias_at, slopes_at, a_at, b_at;
    int channels, height, width, out_channels, out_height, out_width;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups, top, left;
    int transposed;
    int kind;
    float low, high;
    int gate;
    float keep_a, mix_a, keep_b, mix_b;
    int shuffle, repeats;
} p;
TENSOR(1, source)
TENSOR(2, result)
CONSTANTS(4, bias)
CONSTANTS(5, slopes)
TENSOR(6, first)
TENSOR(7, second)

float bias_of(int o) { return p.bias_at.y != 0 ? bias[p.bias_at.x + uint(o)] : 0.0; }

// Read always, at the tensor's beginning where a place is beyond it: with a branch for each, loads wait for one another.
float pixel_at(int channel, int y, int x) {
    const bool there = all(lessThan(uvec3(channel, y, x), uvec3(p.channels, p.height, p.width)));
    const uint place = p.in_at.x + uint((channel * p.height + y) * p.width + x);
    const float v = float(source[there ? place : p.in_at.x]);
    return there ? v : 0.0;
}

// `v`: the sum with the bias.
void finish(float v, int o, int y, int x) {
    if (kKind >= 0) v = activation(kKind, v, p.low, p.high, kKind == kPrelu ? slopes[p.slopes_at.x + uint(o)] : 0.0);
    uint at = uint((o * p.out_height + y) * p.out_width + x);
    if (p.a_at.y != 0) {
        const float a = float(first[p.a_at.x + at]);
        v = p.gate != 0 ? (v + a) * (sigmoid_of(v) - 0.5) : p.keep_a * v + p.mix_a * a;
    }
    if (p.b_at.y != 0 && p.repeats == 0) v = p.keep_b * v + p.mix_b * float(second[p.b_at.x + at]);
    const int f = p.shuffle, c = o / (f * f);
    if (p.repeats != 0) v += float(second[p.b_at.x + uint((c * p.out_height + y) * p.out_width + x)]);
    if (f > 1) {
        const int inner = o - c * f * f;
        at = uint((c * p.out_height * f + y * f + inner / f) * p.out_width * f + x * f + inner % f);
    }
    result[p.out_at.x + at] = REAL(v);
}
