// SPDX-License-Identifier: Apache-2.0
// First layer: a picture in any format -> conv3x3 of its 1 or 3 channels -> bias, PReLU -> activations. K = 27 padded to
// 32: two mma steps per 16 pixels and 8 channels. One block per 32x8 pixels; each warp takes two rows.
#pragma once

#include "rows.cuh"
#include "pixels.cuh"

namespace enlarge::cuda {

inline constexpr int kFirstRows = 8;                       // output rows per block
inline constexpr int kFirstPatch = (kFirstRows + 2) * (kStripWidth + 2);

ENLARGE_KERNEL(conv_first, ConvFirst, 128, 3) {
    ENLARGE_SHARED_MEMORY(shared);
    h16* patch = reinterpret_cast<h16*>(shared);           // [row][pixel][3]
    const int tid = thread_index(), lane = tid & 31, warp = tid >> 5;
    const int width = p.in.width, height = p.in.height, channels = p.in.channels == 1 ? 1 : 3;
    const int strips = (width + kStripWidth - 1) / kStripWidth;
    const int x0 = (block_index() % strips) * kStripWidth, y0 = (block_index() / strips) * kFirstRows;
    for (int i = tid; i < kFirstPatch; i += thread_count()) {
        const int y = y0 - 1 + i / (kStripWidth + 2), x = x0 - 1 + i % (kStripWidth + 2);
        float v[4] = {0.f, 0.f, 0.f, 0.f};
        if (y >= 0 && y < height && x >= 0 && x < width) {
            read_pixel(p.in, channels, x, y, v);
#pragma unroll
            for (int c = 0; c < 3; ++c) v[c] = v[c] * p.scale[c] + p.shift[c];
        }
#pragma unroll
        for (int c = 0; c < 3; ++c) patch[i * 3 + c] = float_to_half(v[c]);
    }
    cta_sync();
    // Element k of the padded K: tap k / channels, channel k % channels; zero beyond.
    auto element = [&](int k, int row, int px) -> std::uint32_t {
        const int tap = k / channels, c = k - tap * channels, dy = tap / 3;
        return tap < 9 ? patch[((row + dy) * (kStripWidth + 2) + px + tap - dy * 3) * 3 + c] : 0u;
    };
    const auto* weights = reinterpret_cast<const std::uint32_t*>(p.weights);
    const auto* bias = reinterpret_cast<const float*>(p.bias_slope);
    const float* slope = bias + p.out_slices * 8;
    for (int tile = warp; tile < kFirstRows * 2; tile += 4) {
        const int row = tile >> 1, px0 = (tile & 1) * 16, y = y0 + row;
        std::uint32_t a[2][4];
#pragma unroll
        for (int step = 0; step < 2; ++step)
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                const int k = step * 16 + (r >> 1) * 8 + 2 * (lane & 3), px = px0 + (r & 1) * 8 + (lane >> 2);
                a[step][r] = element(k, row, px) | element(k + 1, row, px) << 16;
            }
        for (int n = 0; n < p.out_slices; ++n) {
            const int c = n * 8 + 2 * (lane & 3);
            float d[4] = {bias[c], bias[c + 1], bias[c], bias[c + 1]};
#pragma unroll
            for (int step = 0; step < 2; ++step) {
                const uint2 b = *reinterpret_cast<const uint2*>(weights + (((n * 2 + step) * 32 + lane) << 1));
                mma_f32(d, a[step], b.x, b.y);
            }
#pragma unroll
            for (int hh = 0; hh < 2; ++hh) {
                const int x = x0 + px0 + hh * 8 + (lane >> 2);
                if (x >= width || y >= height) continue;
                const float v0 = prelu(d[hh * 2], slope[c]), v1 = prelu(d[hh * 2 + 1], slope[c + 1]);
                const std::int64_t pixel = static_cast<std::int64_t>(y) * width + x;
                const std::int64_t plane = static_cast<std::int64_t>(height) * width;
                if (p.inverse_steps) {
                    const auto* inverse = reinterpret_cast<const float*>(p.inverse_steps) + c;
                    auto* to = reinterpret_cast<std::uint16_t*>(p.out) + ((n >> 1) * plane + pixel) * 8 + (n & 1) * 4 + (lane & 3);
                    *to = static_cast<std::uint16_t>((round_s8(v0 * inverse[0]) & 255) |
                                                     (round_s8(v1 * inverse[1]) & 255) << 8);
                } else {
                    *reinterpret_cast<std::uint32_t*>(reinterpret_cast<h16*>(p.out) + (n * plane + pixel) * 8 + 2 * (lane & 3)) =
                        pack_halves(v0, v1);
                }
            }
        }
    }
}

}  // namespace enlarge::cuda
