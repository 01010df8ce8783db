// SPDX-License-Identifier: Apache-2.0
// PoolTensor of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at;
    int channels, height, width, out_height, out_width, kernel, stride, pad, largest, count_padding;
} p;
TENSOR(1, source)
TENSOR(2, result)

void main() {
    const int plane = p.out_height * p.out_width;
    ITEMS(item) {
        const int i = int(item), c = i / plane, pixel = i - c * plane, y = pixel / p.out_width,
                  x = pixel - y * p.out_width;
        float sum = 0.0, largest = 0.0;
        int count = 0;
        for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
            const int yy = y * p.stride - p.pad + tap / p.kernel, xx = x * p.stride - p.pad + tap % p.kernel;
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            const float v = float(source[p.in_at.x + uint((c * p.height + yy) * p.width + xx)]);
            sum += v;
            largest = count == 0 || v > largest || is_nan(v) ? v : largest;
            ++count;
        }
        const float all = float(p.count_padding != 0 ? p.kernel * p.kernel : count);
        result[p.out_at.x + item] = REAL(p.largest != 0 ? largest : sum / all);
    }
}
