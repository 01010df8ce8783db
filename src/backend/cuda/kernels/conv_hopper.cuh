// SPDX-License-Identifier: Apache-2.0
// 3x3 convolution 64 -> 64 for Hopper (sm_90a): wgmma fed by TMA.
//
// Matrix roles: M = 64 output channels, A = weights, stationary in registers (36 k-steps x 4, 18 x 4 in 8 bits); N =
// 128 pixels of one row, B = activations in shared memory without swizzle: a pixel's slice is one 16-byte core row, so
// a tap is a start address shifted by whole pixels. Warpgroup 0 keeps a ring of input rows full; its boxes reach over
// the picture's borders, where TMA fills in zeros. Warpgroups 1 and 2 take alternate rows and turns, so that one stores
// while the other multiplies. Layers go down and up the picture in turn: what the last one wrote last is still in the
// cache.
//
// The copy engine takes about three cycles for each row of a box, so rows are long: a slice's pixels in one line, as
// elements of 8 bytes, of which 256 are the most. The two pixels more that a strip of 128 needs are a box of their own.
#pragma once

#include "rows.cuh"

namespace enlarge::cuda {

template <int SLICES, int ROWS>
struct HopperShape {
    static constexpr int kSliceBytes = kHopperSliceBytes;
    static constexpr int kRowBytes = SLICES * kSliceBytes;
    static constexpr int kRows = ROWS;
    static constexpr int kOutBytes = SLICES * kHopperStrip * 16;
    static constexpr int kSharedBytes = ROWS * kRowBytes + 2 * kOutBytes + 2 * ROWS * 8;
};
using HopperF16 = HopperShape<8, 8>;
using HopperS8 = HopperShape<4, 12>;

#if defined(ENLARGE_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// Descriptor of a K-major operand without swizzle: `leading` bytes between its two 16-byte columns of K, 128 between
// groups of eight pixels.
ENLARGE_DEVICE std::uint64_t operand(smem_t start, int leading) {
    return static_cast<std::uint64_t>((start & 0x3FFFFu) >> 4) | static_cast<std::uint64_t>(leading >> 4) << 16 |
           static_cast<std::uint64_t>(128 >> 4) << 32;
}

ENLARGE_DEVICE void multiply(float (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b, bool) { wgmma_f16(d, a, b); }
ENLARGE_DEVICE void multiply(int (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b, bool add) { wgmma_s8(d, a, b, add); }

// T: float (half precision in and out) or int (8 bits). begin(d) sets the accumulators, pack(d, j, r) turns columns
// 8 j .. of them into four registers for stmatrix.
template <class T, class Shape, int SLICES, class Params, class Begin, class Pack>
ENLARGE_DEVICE void stream_hopper(const Params& p, unsigned char* shared, Begin begin, Pack pack) {
    constexpr int kChunks = SLICES / 2, kSteps = 9 * kChunks, kRows = Shape::kRows;
    constexpr int kColumns = sizeof(T) == 4 && SLICES == 8 ? 2 : 4;  // groups of 8 pixels per stmatrix
    const int tid = thread_index(), group = warp_uniform(tid >> 7), lane = tid & 31, warp = warp_uniform((tid >> 5) & 3);
    const smem_t ring = smem_address(shared), staging = ring + kRows * Shape::kRowBytes;
    const smem_t full = staging + 2 * Shape::kOutBytes, empty = full + kRows * 8;
    if (tid == 0) {
        for (int i = 0; i < kRows; ++i) {
            mbarrier_init(full + i * 8, 1);
            mbarrier_init(empty + i * 8, 2);
        }
        fence_barrier_init();
    }
    cta_sync();
    const int first = block_index() * p.units, end = min(first + p.units, p.total);
    if (group == 0) {
        registers_shrink<24>();
        if (tid == 0) {
            int row = 0;  // of all rows this block loads
            for (int u = first; u < end;) {
                const int strip = u / p.height, y0 = u - strip * p.height, n = min(end - u, p.height - y0);
                u += n;
                for (int t = 0; t < n + 2; ++t, ++row) {
                    const int slot = row % kRows;
                    if (row >= kRows) mbarrier_wait(empty + slot * 8, ((row / kRows) - 1) & 1);
                    const smem_t barrier = full + slot * 8, to = ring + slot * Shape::kRowBytes;
                    const int x = strip * kHopperStrip - 1, y = p.upwards ? y0 + n - t : y0 - 1 + t;
                    mbarrier_expect(barrier, SLICES * (kHopperStrip + 2) * 16);
                    for (int s = 0; s < SLICES; ++s) {
                        const smem_t slice = to + s * Shape::kSliceBytes;
                        tma_load3(slice, &p.in_map, barrier, 2 * x, y, s);
                        tma_load3(slice + kHopperStrip * 16, &p.edge_map, barrier, 2 * (x + kHopperStrip), y, s);
                    }
                }
            }
        }
        return;
    }
    registers_grow<240>();
    const int consumer = group - 1;
    std::uint32_t w[kSteps][4];
#pragma unroll
    for (int k = 0; k < kSteps; ++k) {
        const uint4 v = reinterpret_cast<const uint4*>(p.weights)[(k * 4 + warp) * 32 + lane];
        w[k][0] = v.x;
        w[k][1] = v.y;
        w[k][2] = v.z;
        w[k][3] = v.w;
    }
    const smem_t own = staging + consumer * Shape::kOutBytes;
    // stmatrix: matrix lane / 8 goes to slice 2 * warp + its lowest bit (half) or slice warp (8 bits), then to the right.
    const smem_t row_address =
        SLICES == 8 ? own + (((2 * warp + ((lane >> 3) & 1)) * kHopperStrip + (lane >> 4) * 8 + (lane & 7)) << 4)
                    : own + ((warp * kHopperStrip + lane) << 4);
    const int own_turn = 3 + consumer, other_turn = 4 - consumer;
    if (consumer == 1) pass_turn(other_turn);
    int base = 0;
    for (int u = first; u < end;) {
        const int strip = u / p.height, y0 = u - strip * p.height, n = min(end - u, p.height - y0);
        u += n;
        int released = 0;
        for (int i = consumer; i < n + consumer; i += 2) {
            wait_turn(own_turn);
            if (i >= n) {  // the other one's last row was the last
                pass_turn(other_turn);
                break;
            }
            T d[64];
            begin(d);
            wgmma_fence();
#pragma unroll
            for (int dy = 0; dy < 3; ++dy) {
                const int row = base + i + (p.upwards ? 2 - dy : dy), slot = row % kRows;
                mbarrier_wait(full + slot * 8, (row / kRows) & 1);
                wgmma_fence();
                const std::uint64_t start = operand(ring + slot * Shape::kRowBytes, Shape::kSliceBytes);
#pragma unroll
                for (int dx = 0; dx < 3; ++dx)
#pragma unroll
                    for (int c = 0; c < kChunks; ++c) {
                        const int k = (dy * 3 + dx) * kChunks + c;
                        multiply(d, w[k], start + static_cast<std::uint64_t>((c * 2 * Shape::kSliceBytes + dx * 16) >> 4), k > 0);
                    }
            }
            wgmma_commit();
            pass_turn(other_turn);
            wgmma_wait<0>();
            if ((tid & 127) == 0) {
                for (; released < i + 2; ++released) mbarrier_arrive(empty + ((base + released) % kRows) * 8);
                tma_store_wait_read();
            }
            named_barrier(1 + consumer, 128);  // the staging area is free
#pragma unroll
            for (int j = 0; j < 16; j += kColumns) {
                std::uint32_t r[4];
                pack(d, j, r);
                stmatrix_x4_trans(row_address + j * 128, r);
            }
            fence_async_proxy();
            named_barrier(1 + consumer, 128);
            if ((tid & 127) == 0)
                tma_store3(&p.out_map, own, 2 * strip * kHopperStrip, p.upwards ? y0 + n - 1 - i : y0 + i, 0);
        }
        // What is left over was never read, and may not have landed yet: releasing it early, a consumer without rows of its
        // own (a picture of one row) would run a whole ring ahead and release in the other's name.
        if ((tid & 127) == 0)
            for (; released < n + 2; ++released) {
                const int row = base + released, slot = row % kRows;
                mbarrier_wait(full + slot * 8, (row / kRows) & 1);
                mbarrier_arrive(empty + slot * 8);
            }
        base += n + 2;
    }
    if (consumer == 0) wait_turn(own_turn);  // nothing is left at the barrier
    if ((tid & 127) == 0) tma_store_wait_all();
}

ENLARGE_KERNEL(conv64_hopper, ConvHopper, 384, 1) {
    ENLARGE_SHARED_MEMORY(shared);
    const int channel = ((thread_index() >> 5) & 3) * 16 + ((thread_index() & 31) >> 2);
    const float* bias = reinterpret_cast<const float*>(p.bias_slope);
    const float b0 = bias[channel], b1 = bias[channel + 8], s0 = bias[64 + channel], s1 = bias[64 + channel + 8];
    stream_hopper<float, HopperF16, 8>(
        p, shared,
        [&](float (&d)[64]) {
#pragma unroll
            for (int j = 0; j < 64; ++j) d[j] = (j & 2) ? b1 : b0;
        },
        [&](const float (&d)[64], int j, std::uint32_t (&r)[4]) {
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                const int e = (j + (q >> 1)) * 4 + (q & 1) * 2;
                const float s = (q & 1) ? s1 : s0;
                r[q] = pack_halves(prelu(d[e], s), prelu(d[e + 1], s));
            }
        });
}

ENLARGE_KERNEL(conv64_s8_hopper, ConvS8Hopper, 384, 1) {
    ENLARGE_SHARED_MEMORY(shared);
    // Matrix rows r and r + 8 of a warp are neighbouring channels, so that 16-bit transposition moves pairs of bytes.
    const int channel = ((thread_index() >> 5) & 3) * 16 + 2 * ((thread_index() & 31) >> 2);
    const float4 f0 = reinterpret_cast<const float4*>(p.factors)[channel], f1 = reinterpret_cast<const float4*>(p.factors)[channel + 1];
    stream_hopper<int, HopperS8, 4>(
        p, shared, [](int (&)[64]) {},
        [&](const int (&d)[64], int j, std::uint32_t (&r)[4]) {
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                std::uint32_t b[4];
#pragma unroll
                for (int z = 0; z < 4; ++z) {
                    const float4 f = (z & 2) ? f1 : f0;
                    b[z] = static_cast<std::uint32_t>(round_s8(prelu(static_cast<float>(d[(j + q) * 4 + z]) * f.x + f.y, f.z)) & 255);
                }
                r[q] = b[0] | b[2] << 8 | b[1] << 16 | b[3] << 24;  // pixel 0 of both channels, pixel 1 of both
            }
        });
}

#endif

}  // namespace enlarge::cuda
