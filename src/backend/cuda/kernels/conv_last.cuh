// SPDX-License-Identifier: Apache-2.0
// Last layer: convolution, pixel shuffle, nearest residual, clamp and the picture's own format in one kernel; the
// enlarged picture never exists in float in device memory.
//
// Warp w computes sub-pixels 4 w .. 4 w + 3 of each input pixel: thread quad index q = sub-pixel, n-tile 0 = its
// channels 0 and 1, n-tile 1 = channel 2 and padding. Values go to shared memory as they will lie in the picture, then
// all threads convert and store them, neighbours together.
#pragma once

#include "rows.cuh"
#include "pixels.cuh"

namespace enlarge::cuda {

inline constexpr int kLastWarps = 4;  // at most: factor 4

// Staging of one input row: [warp][32 input pixels][4 sub-pixels][3], free of bank conflicts for the warps that write it.
inline constexpr int kLastRowFloats = kLastWarps * kStripWidth * 12;
ENLARGE_DEVICE int staged_at(int sub, int px) { return ((sub >> 2) * kStripWidth + px) * 12 + (sub & 3) * 3; }

// Converts and stores one staged row. FACTOR: of the pixel shuffle, or 0 where it is only known at run time.
template <int FACTOR>
ENLARGE_DEVICE void store_strip_row(const ConvLast& p, const float* staged, int y, int x0) {
    const int f = FACTOR ? FACTOR : p.factor, row_pixels = kStripWidth * f, channels = p.out.channels;
    const int out_y = (y - p.work.row_first) * f;
    const int origin = x0 - p.core_x;  // of the strip, in input pixels from the core's left edge
    const int skip = p.work.col_step == kStripWidth ? 0 : 1;  // overlapping strips: the first column is chroma halo
    const bool yuv = p.out.kind == kPixelNv12 || p.out.kind == kPixelP010;
    auto value = [&](int i, int px, int c) {  // row i of the output rows, pixel px of the strip's output pixels
        const int x = px / f;
        return staged[staged_at(i * f + px - x * f, x) + c];
    };
    if (!yuv) {
        const bool words = p.out.kind == kPixelU8 && !p.out.planar && channels == 3 && (p.out.pitch[0] & 3) == 0 &&
                           (p.out.plane[0] & 3) == 0 && ((origin * f * 3) & 3) == 0 &&
                           (origin + kStripWidth) * f <= p.out.width;
        if (words) {  // four pixels = three words
            for (int k = thread_index(); k < f * row_pixels / 4; k += thread_count()) {
                const int i = k / (row_pixels / 4), px = 4 * (k - i * (row_pixels / 4));
                if (out_y + i >= p.out.height) continue;
                std::uint32_t word[3];
#pragma unroll
                for (int w = 0; w < 3; ++w) {
                    word[w] = 0;
#pragma unroll
                    for (int b = 0; b < 4; ++b) {
                        const int k = w * 4 + b;
                        const float v = clamp01(value(i, px + k / 3, k % 3)) * p.out.range;
                        word[w] |= static_cast<std::uint32_t>(round_even(v)) << (8 * b);
                    }
                }
                auto* to = reinterpret_cast<std::uint32_t*>(pixel_row(p.out, 0, out_y + i, true)) +
                           (origin * f + px) * 3 / 4;
                to[0] = word[0];
                to[1] = word[1];
                to[2] = word[2];
            }
            return;
        }
        for (int k = thread_index(); k < f * row_pixels; k += thread_count()) {
            const int i = k / row_pixels, px = k - i * row_pixels, x = origin * f + px;
            if (x < 0 || x >= p.out.width || out_y + i >= p.out.height) continue;
            for (int c = 0; c < channels; ++c) write_channel(p.out, c, x, out_y + i, value(i, px, c));
        }
        return;
    }
    // Luma, then chroma: the mean of two rows, and of two columns (centre siting) or 1 2 1 (left siting).
    for (int k = thread_index(); k < f * row_pixels; k += thread_count()) {
        const int i = k / row_pixels, px = k - i * row_pixels, x = origin * f + px;
        if (px < skip * f || x < 0 || x >= p.out.width || out_y + i >= p.out.height) continue;
        write_code(pixel_row(p.out, 0, out_y + i, true), p.out.kind, x,
                   yuv_code(p.out, 0, value(i, px, 0), value(i, px, 1), value(i, px, 2)));
    }
    for (int k = thread_index(); k < (f / 2) * (row_pixels / 2); k += thread_count()) {
        const int i = 2 * (k / (row_pixels / 2)), px = 2 * (k - i / 2 * (row_pixels / 2)), x = origin * f + px;
        if (px < skip * f || x < 0 || x >= p.out.width || out_y + i >= p.out.height) continue;
        const int next = x + 1 < p.out.width ? px + 1 : px;
        const int before = p.out.chroma_x == 0.f ? (x > 0 ? px - 1 : px) : next;
        float mean[3];
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            float sum = 0;
            for (int j = 0; j < 2; ++j) {
                const float here = clamp01(value(i + j, px, c));
                sum += p.out.chroma_x == 0.f
                           ? 0.25f * clamp01(value(i + j, before, c)) + 0.5f * here + 0.25f * clamp01(value(i + j, next, c))
                           : 0.5f * here + 0.5f * clamp01(value(i + j, next, c));
            }
            mean[c] = 0.5f * sum;
        }
        unsigned char* row = pixel_row(p.out, 1, (out_y + i) / 2, true);
        write_code(row, p.out.kind, x, yuv_code(p.out, 1, mean[0], mean[1], mean[2]));
        write_code(row, p.out.kind, x + 1, yuv_code(p.out, 2, mean[0], mean[1], mean[2]));
    }
}

template <int CHUNKS>
ENLARGE_DEVICE void conv_last(const ConvLast& p, unsigned char* shared) {
    float* bias = reinterpret_cast<float*>(shared + RowShape<CHUNKS>::kRingBytes);
    float* staged = bias + 64;
    const int tid = thread_index(), lane = tid & 31, warp = tid >> 5, threads = thread_count();
    for (int i = tid; i < threads / 2; i += threads) bias[i] = reinterpret_cast<const float*>(p.bias)[i];
    const int f = p.factor;
    float* const own = staged + staged_at(warp * 4 + (lane & 3), lane >> 2);
    stream_rows<CHUNKS, false>(
        reinterpret_cast<const h16*>(p.in), p.in_slices, p.work, reinterpret_cast<const std::uint32_t*>(p.weights), bias,
        shared,
        [&](int q, int, int, const RowAccumulator& acc) {
#pragma unroll
            for (int m = 0; m < 2; ++m)
#pragma unroll
                for (int hh = 0; hh < 2; ++hh) {
                    float* to = own + q * kLastRowFloats + (m * 16 + hh * 8) * 12;
                    to[0] = acc[m][0][hh * 2];
                    to[1] = acc[m][0][hh * 2 + 1];
                    to[2] = acc[m][1][hh * 2];
                }
        },
        [&](int y, int first, int last, int x0) {
            cta_sync();
            for (int i = first * kStripWidth + tid; i < last * kStripWidth; i += threads) {
                const int q = i / kStripWidth, px = i - q * kStripWidth, x = x0 + px;
                if (x < 0 || x >= p.work.width) continue;
                float s[4] = {0.f, 0.f, 0.f, 0.f};
                if (p.residual) read_pixel(p.source, p.out.channels, x, y + q, s);
                bool finite = true;
                for (int j = 0; j < f * f; ++j) {
                    float* v = staged + q * kLastRowFloats + staged_at(j, px);
#pragma unroll
                    for (int c = 0; c < 3; ++c) {
                        v[c] += s[c];
                        finite = finite && is_finite(v[c]);
                    }
                }
                if (!finite) raise_flag(p.flags);
            }
            cta_sync();
#pragma unroll 1
            for (int q = first; q < last; ++q) {
                const float* row = staged + q * kLastRowFloats;
                if (f == 4)
                    store_strip_row<4>(p, row, y + q, x0);
                else if (f == 2)
                    store_strip_row<2>(p, row, y + q, x0);
                else
                    store_strip_row<0>(p, row, y + q, x0);
            }
            cta_sync();
        });
}

ENLARGE_KERNEL(conv_last64, ConvLast, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_last<4>(p, shared);
}
ENLARGE_KERNEL(conv_last48, ConvLast, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_last<3>(p, shared);
}
ENLARGE_KERNEL(conv_last32, ConvLast, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    conv_last<2>(p, shared);
}

}  // namespace enlarge::cuda
