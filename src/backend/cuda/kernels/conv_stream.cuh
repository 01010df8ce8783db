// SPDX-License-Identifier: Apache-2.0
// Convolution for any channel count: weights stream through shared memory with the pixels they meet, 16 input channels
// at a time, two stages deep. The input may be a run of slices of a wider buffer (dense blocks need no concatenation)
// and smaller than the output (nearest upsampling is folded into addressing).
//
// A block computes 8 rows x 32 pixels x 8 * NT channels. Each of 4 warps has two rows: four 16-pixel tiles x NT n-tiles
// of accumulators, so 4 ldmatrix + NT / 2 wide loads feed 4 * NT mma.
#pragma once

#include "rows.cuh"

namespace enlarge::cuda {

template <int NT>
struct StreamShape {
    static constexpr int kRows = 8;
    static constexpr int kPixels = kStripWidth + 2;
    static constexpr int kSliceBytes = (kRows + 2) * kPixels * 16;
    static constexpr int kPatchBytes = 2 * kSliceBytes;
    static constexpr int kTapBytes = NT * 32 * 2 * 4;      // weights of one tap and 16 input channels
};

template <int NT>
ENLARGE_DEVICE void conv_stream(const ConvStream& p, unsigned char* shared) {
    using Shape = StreamShape<NT>;
    const int tid = thread_index(), lane = tid & 31, warp = tid >> 5;
    int index = block_index();
    const int tx = index % p.tiles_x;
    index /= p.tiles_x;
    const int ty = index % p.tiles_y, block = index / p.tiles_y;
    const int x0 = tx * kStripWidth, y0 = ty * Shape::kRows, pad = p.taps == 9 ? 1 : 0;
    const int in_height = p.height >> p.up, in_width = p.width >> p.up;
    const std::int64_t in_plane = static_cast<std::int64_t>(in_height) * in_width;
    const std::int64_t out_plane = static_cast<std::int64_t>(p.height) * p.width;
    const h16* in = reinterpret_cast<const h16*>(p.in);
    const smem_t base = smem_address(shared);

    float acc[4][NT][4];
    const float* bias = reinterpret_cast<const float*>(p.bias_slope) + block * NT * 8;
    const float* slope = bias + p.blocks * NT * 8;
#pragma unroll
    for (int n = 0; n < NT; ++n) {
        const float2 b = *reinterpret_cast<const float2*>(bias + n * 8 + 2 * (lane & 3));
#pragma unroll
        for (int m = 0; m < 4; ++m) {
            acc[m][n][0] = acc[m][n][2] = b.x;
            acc[m][n][1] = acc[m][n][3] = b.y;
        }
    }
    const int weight_bytes = p.taps * Shape::kTapBytes, stage_bytes = Shape::kPatchBytes + weight_bytes;
    const unsigned char* weights = reinterpret_cast<const unsigned char*>(p.weights) +
                                   static_cast<std::int64_t>(block) * p.chunks * weight_bytes;
    auto issue = [&](int chunk) {
        if (chunk < p.chunks) {
            const smem_t stage = base + (chunk & 1) * stage_bytes;
            for (int i = tid; i < Shape::kPatchBytes / 16; i += 128) {
                const int s = i / (Shape::kSliceBytes / 16), j = i - s * (Shape::kSliceBytes / 16);
                const int r = j / Shape::kPixels, y = y0 - 1 + r, x = x0 - 1 + (j - r * Shape::kPixels);
                const int slice = chunk * 2 + s;
                const bool ok = y >= 0 && y < p.height && x >= 0 && x < p.width && slice < p.in_slices;
                const std::int64_t at = ok ? slice * in_plane + static_cast<std::int64_t>(y >> p.up) * in_width + (x >> p.up) : 0;
                copy_async16(stage + (i << 4), in + at * 8, ok);
            }
            for (int i = tid; i < weight_bytes / 16; i += 128)
                copy_async16(stage + Shape::kPatchBytes + (i << 4),
                             weights + static_cast<std::int64_t>(chunk) * weight_bytes + (i << 4), true);
        }
        copy_commit();
    };
    issue(0);
    const int lane_offset = (((lane >> 4) * (Shape::kSliceBytes / 16)) + ((lane >> 3) & 1) * 8 + (lane & 7)) << 4;
#pragma unroll 1
    for (int chunk = 0; chunk < p.chunks; ++chunk) {
        issue(chunk + 1);
        copy_wait<1>();
        cta_sync();
        const int stage = (chunk & 1) * stage_bytes;
        const smem_t patch = base + stage + lane_offset;
        const unsigned char* w = shared + stage + Shape::kPatchBytes + lane * 16;
#pragma unroll 1
        for (int tap = 0; tap < p.taps; ++tap) {
            const int dy = pad ? tap / 3 : 1, dx = pad ? tap - dy * 3 : 1;  // the patch always has its border
            std::uint32_t a[4][4];
#pragma unroll
            for (int m = 0; m < 4; ++m)
                ldmatrix_x4(a[m], patch + (((warp * 2 + (m >> 1) + dy) * Shape::kPixels + (m & 1) * 16 + dx) << 4));
#pragma unroll
            for (int n = 0; n < NT; n += 2) {
                const uint4 b = *reinterpret_cast<const uint4*>(w + tap * Shape::kTapBytes + n * 256);
#pragma unroll
                for (int m = 0; m < 4; ++m) {
                    mma_f32(acc[m][n], a[m], b.x, b.y);
                    mma_f32(acc[m][n + 1], a[m], b.z, b.w);
                }
            }
        }
        cta_sync();  // everybody is done with this stage before it is filled again
    }

    h16* out = reinterpret_cast<h16*>(p.out);
#pragma unroll
    for (int n = 0; n < NT; ++n) {
        const int slice = block * NT + n;
        const float2 s = *reinterpret_cast<const float2*>(slope + n * 8 + 2 * (lane & 3));
#pragma unroll
        for (int m = 0; m < 4; ++m)
#pragma unroll
            for (int hh = 0; hh < 2; ++hh) {
                const int y = y0 + warp * 2 + (m >> 1), x = x0 + (m & 1) * 16 + hh * 8 + (lane >> 2);
                if (y >= p.height || x >= p.width || slice >= p.out_slices) continue;
                const std::int64_t at = (slice * out_plane + static_cast<std::int64_t>(y) * p.width + x) * 8 + 2 * (lane & 3);
                float v0 = acc[m][n][hh * 2], v1 = acc[m][n][hh * 2 + 1];
                auto residual = [&](int i) {
                    return unpack_halves(
                        *reinterpret_cast<const std::uint32_t*>(reinterpret_cast<const h16*>(p.residual[i]) + at));
                };
                if (p.activation == kGate) {
                    const float2 r = residual(0);
                    v0 = (v0 + r.x) * (1.f / (1.f + fast_exp(-v0)) - 0.5f);
                    v1 = (v1 + r.y) * (1.f / (1.f + fast_exp(-v1)) - 0.5f);
                } else {
                    v0 = p.alpha * (p.activation == kSilu ? silu(v0) : prelu(v0, s.x));
                    v1 = p.alpha * (p.activation == kSilu ? silu(v1) : prelu(v1, s.y));
#pragma unroll
                    for (int i = 0; i < 2; ++i)
                        if (p.residual[i]) {
                            const float2 r = residual(i);
                            v0 += p.beta[i] * r.x;
                            v1 += p.beta[i] * r.y;
                        }
                }
                *reinterpret_cast<std::uint32_t*>(out + at) = pack_halves(v0, v1);
            }
    }
}

ENLARGE_KERNEL(conv_stream64, ConvStream, 128, 1) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_stream<8>(p, shared);
}
ENLARGE_KERNEL(conv_stream32, ConvStream, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_stream<4>(p, shared);
}

}  // namespace enlarge::cuda
