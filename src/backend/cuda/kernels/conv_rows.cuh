// SPDX-License-Identifier: Apache-2.0
// Body convolutions on rows.cuh: bias, PReLU or SiLU, half precision in and out.
#pragma once

#include "rows.cuh"

namespace enlarge::cuda {

template <int CHUNKS, bool ACC16, bool SILU>
ENLARGE_DEVICE void conv_rows(const ConvRows& p, unsigned char* shared) {
    const float* staged = stage_bias_slope(shared + RowShape<CHUNKS>::kRingBytes, p.bias_slope);
    const int lane = thread_index() & 31, warp = thread_index() >> 5;
    const int height = p.work.height, width = p.work.width;
    h16* out = reinterpret_cast<h16*>(p.out);
    stream_rows<CHUNKS, ACC16>(
        reinterpret_cast<const h16*>(p.in), p.in_slices, p.work, reinterpret_cast<const std::uint32_t*>(p.weights),
        staged, shared, [&](int, int y, int x0, const RowAccumulator& acc) {
#pragma unroll
            for (int nn = 0; nn < 2; ++nn) {
                const int slice = warp * 2 + nn;
                const float2 slope = *reinterpret_cast<const float2*>(staged + 64 + slice * 8 + 2 * (lane & 3));
#pragma unroll
                for (int m = 0; m < 2; ++m)
#pragma unroll
                    for (int hh = 0; hh < 2; ++hh) {
                        const int x = x0 + m * 16 + hh * 8 + (lane >> 2);
                        const float v0 = acc[m][nn][hh * 2], v1 = acc[m][nn][hh * 2 + 1];
                        const std::uint32_t v = SILU ? pack_halves(silu(v0), silu(v1))
                                                     : pack_halves(prelu(v0, slope.x), prelu(v1, slope.y));
                        if (x < width && slice < p.out_slices)
                            *reinterpret_cast<std::uint32_t*>(
                                out + ((static_cast<std::int64_t>(slice) * height + y) * width + x) * 8 + 2 * (lane & 3)) = v;
                    }
            }
        },
        [](int, int, int, int) {});
}

ENLARGE_KERNEL(conv64_f32acc, ConvRows, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_rows<4, false, false>(p, shared);
}
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ != 1000  // full rate with float accumulation there
ENLARGE_KERNEL(conv64_f16acc, ConvRows, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_rows<4, true, false>(p, shared);
}
#endif
ENLARGE_KERNEL(conv48_f32acc, ConvRows, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_rows<3, false, false>(p, shared);
}
ENLARGE_KERNEL(conv48_silu, ConvRows, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_rows<3, false, true>(p, shared);
}
ENLARGE_KERNEL(conv32_f32acc, ConvRows, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_rows<2, false, false>(p, shared);
}

}  // namespace enlarge::cuda
