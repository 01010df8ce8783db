// SPDX-License-Identifier: Apache-2.0
// 3x3 convolution 64 -> 64 in 8 bits by mma.sync m16n8k32; built like rows.cuh, with half the weight registers and
// half the bytes per pixel. Activations are [C/16][H][W][16] signed bytes.
#pragma once

#include "rows.cuh"

namespace enlarge::cuda {

inline constexpr int kS8Ring = 8;
inline constexpr int kS8Pixels = kStripWidth + 2;
inline constexpr int kS8RowBytes = kS8Pixels * 4 * 16;

ENLARGE_KERNEL(conv64_s8, ConvS8, 128, 3) {
    ENLARGE_SHARED_MEMORY(shared);
    const int tid = thread_index(), lane = tid & 31, warp = tid >> 5;
    const int height = p.work.height, width = p.work.width;
    const std::int64_t plane = static_cast<std::int64_t>(height) * width;
    const auto* in = reinterpret_cast<const unsigned char*>(p.in);
    const auto* weights = reinterpret_cast<const std::uint32_t*>(p.weights);
    float4* factors = reinterpret_cast<float4*>(shared + kS8Ring * kS8RowBytes);
    if (tid < 64) factors[tid] = reinterpret_cast<const float4*>(p.factors)[tid];  // visible after the first cta_sync()
    std::uint32_t w[18][2][2];
#pragma unroll
    for (int k = 0; k < 18; ++k)
#pragma unroll
        for (int n = 0; n < 2; ++n) {
            const uint2 v = *reinterpret_cast<const uint2*>(weights + ((((warp * 18 + k) * 2 + n) * 32 + lane) << 1));
            w[k][n][0] = v.x;
            w[k][n][1] = v.y;
        }
    const smem_t base = smem_address(shared);
    const smem_t lane_base = base + ((((lane >> 4) * kS8Pixels) + ((lane >> 3) & 1) * 8 + (lane & 7)) << 4);
    const int total = p.work.strips * p.work.rows;
    int u = block_index() * p.work.units;
    const int end = min(u + p.work.units, total);
    while (u < end) {
        const int strip = u / p.work.rows, first = u - strip * p.work.rows, n = min(end - u, p.work.rows - first);
        const int y0 = p.work.row_first + first, x0 = p.work.col_first + strip * p.work.col_step;
        u += n;
        int acc[3][2][2][4];
        auto issue = [&](int t) {
            const int r = y0 - 1 + t;
            const bool row_ok = r >= 0 && r < height;
            const smem_t slot = base + (t % kS8Ring) * kS8RowBytes;
            for (int i = tid; i < kS8Pixels * 4 && t < n + 2; i += 128) {
                const int s = i / kS8Pixels, x = x0 - 1 + (i - s * kS8Pixels);
                const bool ok = row_ok && x >= 0 && x < width;
                const std::int64_t at = ok ? s * plane + static_cast<std::int64_t>(r) * width + x : 0;
                copy_async16(slot + (i << 4), in + at * 16, ok);
            }
            copy_commit();
        };
#pragma unroll 1
        for (int t = 0; t < kS8Ring - 1; ++t) issue(t);
#pragma unroll 1
        for (int block = 0; block < n + 2; block += 3)
#pragma unroll
            for (int q = 0; q < 3; ++q) {
                const int t = block + q;
                if (t >= n + 2) continue;
                copy_wait<kS8Ring - 2>();
                cta_sync();
                issue(t + kS8Ring - 1);
#pragma unroll
                for (int m = 0; m < 2; ++m)
#pragma unroll
                    for (int e = 0; e < 8; ++e) acc[q][m][e >> 2][e & 3] = 0;
                const smem_t row = lane_base + (t % kS8Ring) * kS8RowBytes;
#pragma unroll
                for (int dx = 0; dx < 3; ++dx)
#pragma unroll
                    for (int c = 0; c < 2; ++c)
#pragma unroll
                        for (int m = 0; m < 2; ++m) {
                            std::uint32_t a[4];
                            ldmatrix_x4(a, row + ((c * 2 * kS8Pixels + m * 16 + dx) << 4));
#pragma unroll
                            for (int dy = 0; dy < 3; ++dy) {
                                const int s = (q + 3 - dy) % 3, k = (dy * 3 + dx) * 2 + c;
#pragma unroll
                                for (int nn = 0; nn < 2; ++nn) mma_s8(acc[s][m][nn], a, w[k][nn][0], w[k][nn][1]);
                            }
                        }
                if (t < 2) continue;
                const int s = (q + 1) % 3, y = y0 + t - 2;
                // This thread has channels 16 * warp + 4 * (lane % 4) + 0..3: two from each n-tile.
                const int channel = warp * 16 + 4 * (lane & 3);
#pragma unroll
                for (int m = 0; m < 2; ++m)
#pragma unroll
                    for (int hh = 0; hh < 2; ++hh) {
                        const int x = x0 + m * 16 + hh * 8 + (lane >> 2);
                        float v[4];
#pragma unroll
                        for (int i = 0; i < 4; ++i) {
                            const float4 f = factors[channel + i];
                            v[i] = prelu(static_cast<float>(acc[s][m][i >> 1][hh * 2 + (i & 1)]) * f.x + f.y, f.z);
                        }
                        if (x >= width) continue;
                        const std::int64_t pixel = static_cast<std::int64_t>(y) * width + x;
                        if (p.half_out) {
                            *reinterpret_cast<uint2*>(reinterpret_cast<h16*>(p.out) + ((channel >> 3) * plane + pixel) * 8 + (channel & 7)) =
                                make_uint2(pack_halves(v[0], v[1]), pack_halves(v[2], v[3]));
                        } else {
                            std::uint32_t bytes = 0;
#pragma unroll
                            for (int i = 0; i < 4; ++i) bytes |= static_cast<std::uint32_t>(round_s8(v[i]) & 255) << (8 * i);
                            *reinterpret_cast<std::uint32_t*>(reinterpret_cast<unsigned char*>(p.out) + (warp * plane + pixel) * 16 + 4 * (lane & 3)) = bytes;
                        }
                    }
            }
        cta_sync();  // the ring is free for the next run
    }
}

}  // namespace enlarge::cuda
