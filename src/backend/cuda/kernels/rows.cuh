// SPDX-License-Identifier: Apache-2.0
// 3x3 convolution by mma.sync, weights stationary in registers, input rows streamed through shared memory.
//
// Matrix roles: M = pixels, N = output channels, K = 16 input channels of one tap. Each warp owns 16 output channels
// (two n-tiles) and keeps all their weights: 9 taps x CHUNKS x 2 x 2 registers, 144 for 64 channels. The block walks
// down a strip 32 pixels wide; each row's A fragments are loaded once and used for the three output rows they touch
// (three accumulators, rotated by unrolling). 24 ldmatrix feed 144 mma, so the tensor cores are the limit.
#pragma once

#include "../params.hpp"
#include "prims.cuh"

namespace enlarge::cuda {

template <int CHUNKS>
struct RowShape {
    static constexpr int kSlices = 2 * CHUNKS;              // in shared memory
    static constexpr int kPixels = kStripWidth + 2;         // of one ring row
    static constexpr int kRowBytes = kPixels * kSlices * 16;
    static constexpr int kRingBytes = kRingRows * kRowBytes;
    static constexpr int kSteps = 9 * CHUNKS;               // mma along K per n-tile
};

using RowAccumulator = float[2][2][4];  // [16-pixel tile][n-tile][mma register]

// Computes the rows of `work` that belong to this block, with all threads of the block. Calls emit(q, y, x0,
// accumulators) for each row, q = 0..2 known when compiling, and after up to three of them flush(y, first, last, x0):
// rows y + q for first <= q < last were emitted. ACC16: one input row (K = 48 * CHUNKS) is
// summed in half precision and then added in float.
template <int CHUNKS, bool ACC16, class Emit, class Flush>
ENLARGE_DEVICE void stream_rows(const h16* in, int in_slices, const RowWork& work, const std::uint32_t* weights,
                     const float* bias, unsigned char* ring, Emit emit, Flush flush) {
    using Shape = RowShape<CHUNKS>;
    const int tid = thread_index(), lane = tid & 31, warp = tid >> 5, threads = thread_count();
    const int height = work.height, width = work.width;

    std::uint32_t w[Shape::kSteps][2][2];
#pragma unroll
    for (int k = 0; k < Shape::kSteps; ++k)
#pragma unroll
        for (int n = 0; n < 2; ++n) {
            const uint2 v =
                *reinterpret_cast<const uint2*>(weights + ((((warp * Shape::kSteps + k) * 2 + n) * 32 + lane) << 1));
            w[k][n][0] = v.x;
            w[k][n][1] = v.y;
        }

    const smem_t base = smem_address(ring);
    const smem_t lane_base = base + ((((lane >> 4) * Shape::kPixels) + ((lane >> 3) & 1) * 8 + (lane & 7)) << 4);
    const int total = work.strips * work.rows;
    int u = block_index() * work.units;
    const int end = min(u + work.units, total);
    while (u < end) {
        const int strip = u / work.rows, first = u - strip * work.rows;
        const int n = min(end - u, work.rows - first);
        const int y0 = work.row_first + first, x0 = work.col_first + strip * work.col_step;
        u += n;
        float acc[3][2][2][4];
        // Input row t of this run is y0 - 1 + t; it goes to slot t % kRingRows. Rows after the last are empty groups, so that
        // nothing is under way when the run ends.
        auto issue = [&](int t) {
            const int r = y0 - 1 + t;
            const bool row_ok = r >= 0 && r < height;
            const smem_t slot = base + (t % kRingRows) * Shape::kRowBytes;
            for (int i = tid; i < Shape::kPixels * Shape::kSlices && t < n + 2; i += threads) {
                const int s = i / Shape::kPixels, x = x0 - 1 + (i - s * Shape::kPixels);
                const bool ok = row_ok && x >= 0 && x < width && s < in_slices;
                const std::int64_t at = ok ? (static_cast<std::int64_t>(s) * height + r) * width + x : 0;
                copy_async16(slot + (i << 4), in + at * 8, ok);
            }
            copy_commit();
        };
#pragma unroll 1
        for (int t = 0; t < kRingRows - 1; ++t) issue(t);
#pragma unroll 1
        for (int block = 0; block < n + 2; block += 3) {
#pragma unroll
            for (int q = 0; q < 3; ++q) {
                const int t = block + q;
                if (t < n + 2) {
                    copy_wait<kRingRows - 2>();
                    cta_sync();  // row t has landed for everybody; the slot of row t - 1 is free
                    issue(t + kRingRows - 1);
                    // Accumulator q begins output row t, (q + 2) % 3 continues t - 1, (q + 1) % 3 completes t - 2.
#pragma unroll
                    for (int nn = 0; nn < 2; ++nn) {
                        const float2 b = *reinterpret_cast<const float2*>(bias + warp * 16 + nn * 8 + 2 * (lane & 3));
#pragma unroll
                        for (int m = 0; m < 2; ++m) {
                            acc[q][m][nn][0] = acc[q][m][nn][2] = b.x;
                            acc[q][m][nn][1] = acc[q][m][nn][3] = b.y;
                        }
                    }
                    const smem_t row = lane_base + (t % kRingRows) * Shape::kRowBytes;
                    // One A fragment and its 6 products. Half-precision sums go one pixel tile after the other: half the
                    // registers (sm_120 spills otherwise).
                    std::uint32_t half_acc[3][2][2];
                    auto multiply = [&](int dx, int c, int m) {
                        std::uint32_t a[4];
                        ldmatrix_x4(a, row + ((c * 2 * Shape::kPixels + m * 16 + dx) << 4));
#pragma unroll
                        for (int dy = 0; dy < 3; ++dy) {
                            const int s = (q + 3 - dy) % 3, k = (dy * 3 + dx) * CHUNKS + c;
#pragma unroll
                            for (int nn = 0; nn < 2; ++nn) {
                                if (ACC16)
                                    mma_f16(half_acc[dy][nn], a, w[k][nn][0], w[k][nn][1]);
                                else
                                    mma_f32(acc[s][m][nn], a, w[k][nn][0], w[k][nn][1]);
                            }
                        }
                    };
                    if (ACC16) {
#pragma unroll
                        for (int m = 0; m < 2; ++m) {
#pragma unroll
                            for (int dy = 0; dy < 3; ++dy)
#pragma unroll
                                for (int nn = 0; nn < 2; ++nn) half_acc[dy][nn][0] = half_acc[dy][nn][1] = 0u;
#pragma unroll
                            for (int dx = 0; dx < 3; ++dx)
#pragma unroll
                                for (int c = 0; c < CHUNKS; ++c) multiply(dx, c, m);
#pragma unroll
                            for (int dy = 0; dy < 3; ++dy) {
                                const int s = (q + 3 - dy) % 3;
#pragma unroll
                                for (int nn = 0; nn < 2; ++nn) {
                                    const float2 lo = unpack_halves(half_acc[dy][nn][0]);
                                    const float2 hi = unpack_halves(half_acc[dy][nn][1]);
                                    acc[s][m][nn][0] += lo.x;
                                    acc[s][m][nn][1] += lo.y;
                                    acc[s][m][nn][2] += hi.x;
                                    acc[s][m][nn][3] += hi.y;
                                }
                            }
                        }
                    } else {
#pragma unroll
                        for (int dx = 0; dx < 3; ++dx)
#pragma unroll
                            for (int c = 0; c < CHUNKS; ++c)
#pragma unroll
                                for (int m = 0; m < 2; ++m) multiply(dx, c, m);
                    }
                    if (t >= 2) emit(q, y0 + t - 2, x0, acc[(q + 1) % 3]);
                }
            }
            flush(y0 + block - 2, max(0, 2 - block), min(3, n + 2 - block), x0);
        }
        cta_sync();  // the ring is free for the next run
    }
}

// v < 0 ? slope * v : v, from slope - 1. NaN stays NaN and minus infinity becomes NaN: overflow is never hidden.
ENLARGE_DEVICE float prelu(float v, float slope_minus_1) { return v + slope_minus_1 * fminf(v, 0.f); }

ENLARGE_DEVICE float silu(float v) { return v / (1.f + fast_exp(-v)); }

// Stages bias and slope - 1 of 64 channels: kept in shared memory, not in registers, which the weights need. Visible to all
// threads after the first cta_sync() of stream_rows().
ENLARGE_DEVICE float* stage_bias_slope(unsigned char* at, std::uint64_t bias_slope) {
    float* staged = reinterpret_cast<float*>(at);
    for (int i = thread_index(); i < 128; i += thread_count()) staged[i] = reinterpret_cast<const float*>(bias_slope)[i];
    return staged;
}

}  // namespace enlarge::cuda
