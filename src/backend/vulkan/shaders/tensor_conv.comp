// SPDX-License-Identifier: Apache-2.0
// FusedConv of backend/tensors/params.hpp: what one output number sums; of a transposed convolution the taps that fall
// onto it.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "conv.glsl"

CONSTANTS(3, weights)

void main() {
    const int plane = p.out_height * p.out_width, in_plane = p.height * p.width;
    const int in_group = p.channels / p.groups, out_group = p.out_channels / p.groups;
    const int taps = p.kernel_h * p.kernel_w, weight_step = p.transposed != 0 ? out_group * taps : taps;
    ITEMS(item) {
        const int i = int(item), o = i / plane, pixel = i - o * plane, y = pixel / p.out_width,
                  x = pixel - y * p.out_width;
        const int first = o / out_group * in_group;
        float sum = bias_of(o);
        for (int v = 0; v < p.kernel_h; ++v) {
            int yy = y * p.stride_h + v * p.dilation_h - p.top;
            if (p.transposed != 0) {
                const int at = y + p.top - v * p.dilation_h;
                yy = at / p.stride_h;
                if (at < 0 || yy * p.stride_h != at) continue;
            }
            if (yy < 0 || yy >= p.height) continue;
            for (int u = 0; u < p.kernel_w; ++u) {
                int xx = x * p.stride_w + u * p.dilation_w - p.left;
                if (p.transposed != 0) {
                    const int at = x + p.left - u * p.dilation_w;
                    xx = at / p.stride_w;
                    if (at < 0 || xx * p.stride_w != at) continue;
                }
                if (xx < 0 || xx >= p.width) continue;
                const int tap = v * p.kernel_w + u;
                uint weight = p.weights_at.x + uint(p.transposed != 0 ? (first * out_group + o % out_group) * taps + tap
                                                                      : o * in_group * taps + tap);
                uint from = p.in_at.x + uint((first * p.height + yy) * p.width + xx);
                for (int c = 0; c < in_group; ++c) {
                    sum += weights[weight] * float(source[from]);
                    weight += uint(weight_step);
                    from += uint(in_plane);
                }
            }
        }
        finish(sum, o, y, x);
    }
}
