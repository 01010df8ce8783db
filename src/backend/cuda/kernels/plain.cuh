// SPDX-License-Identifier: Apache-2.0
// One plain kernel for every operation, in half precision and in float: what runs where no fast kernel fits, and the
// whole of the exact path. Each thread computes 8 channels of one pixel; launches are of any size (grid-stride loops).
#pragma once

#include "items.cuh"
#include "pixels.cuh"

namespace enlarge::cuda {

// In float: conv_float.cuh.
ENLARGE_KERNEL(conv_plain_f16, ConvPlain, 256, 1) {
    const h16* in = reinterpret_cast<const h16*>(p.in);
    const float* weights = reinterpret_cast<const float*>(p.weights);
    const float* bias = reinterpret_cast<const float*>(p.bias);
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const int taps = p.kernel * p.kernel, pad = p.kernel / 2, in_slices = (p.in_channels + 7) / 8;
    const std::int64_t items = plane * ((p.out_channels + 7) / 8);
    for (std::int64_t i = first_item(); i < items; i += item_step()) {
        const int slice = static_cast<int>(i / plane);
        const std::int64_t pixel = i - slice * plane;
        const int y = static_cast<int>(pixel / p.width), x = static_cast<int>(pixel - static_cast<std::int64_t>(y) * p.width);
        float sum[8];
#pragma unroll
        for (int o = 0; o < 8; ++o) sum[o] = slice * 8 + o < p.out_channels ? bias[slice * 8 + o] : 0.f;
        for (int s = 0; s < in_slices; ++s)
            for (int tap = 0; tap < taps; ++tap) {
                const int yy = y + tap / p.kernel - pad, xx = x + tap % p.kernel - pad;
                if (yy < 0 || yy >= p.height || xx < 0 || xx >= p.width) continue;
                float v[8];
                load8(in + (s * plane + static_cast<std::int64_t>(yy) * p.width + xx) * 8, v);
                const int count = min(8, p.in_channels - s * 8);
#pragma unroll
                for (int o = 0; o < 8; ++o) {
                    const int oc = slice * 8 + o;
                    if (oc >= p.out_channels) continue;
                    const float* w = weights + (static_cast<std::int64_t>(oc) * p.in_channels + s * 8) * taps + tap;
                    for (int c = 0; c < count; ++c) sum[o] += w[c * taps] * v[c];
                }
            }
        store8(reinterpret_cast<h16*>(p.out) + i * 8, sum);
    }
}

template <class T>
ENLARGE_DEVICE void pointwise(const Pointwise& p) {
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const std::int64_t items = plane * ((p.channels + 7) / 8);
    const float* scale = reinterpret_cast<const float*>(p.scale);
    const float* shift = reinterpret_cast<const float*>(p.shift);
    for (std::int64_t i = first_item(); i < items; i += item_step()) {
        const int first = static_cast<int>(i / plane) * 8;
        float a[8], b[8], v[8];
        load8(reinterpret_cast<const T*>(p.a) + i * 8, a);
        if (p.b) load8(reinterpret_cast<const T*>(p.b) + i * 8, b);
#pragma unroll
        for (int c = 0; c < 8; ++c) {
            if (first + c >= p.channels) {
                v[c] = 0.f;
                continue;
            }
            const float x = a[c];
            switch (p.op) {
                case kPointPrelu: v[c] = x < 0.f ? scale[first + c] * x : x; break;
                case kPointLeaky: v[c] = x < 0.f ? p.alpha * x : x; break;
                case kPointSilu: v[c] = x / (1.f + expf(-x)); break;
                case kPointAdd: v[c] = p.alpha * x + p.beta * b[c]; break;
                case kPointScaleShift: v[c] = x * scale[first + c] + shift[first + c]; break;
                default: v[c] = (x + b[c]) * (1.f / (1.f + expf(-x)) - 0.5f);
            }
        }
        store8(reinterpret_cast<T*>(p.out) + i * 8, v);
    }
}

// Address of channel c of pixel (x, y) within a tensor.
ENLARGE_DEVICE std::int64_t element_at(int c, int y, int x, int height, int width) {
    return (((static_cast<std::int64_t>(c >> 3) * height + y) * width + x) << 3) + (c & 7);
}

template <class T>
ENLARGE_DEVICE void move(const Move& p) {
    const T* in = reinterpret_cast<const T*>(p.in);
    T* out = reinterpret_cast<T*>(p.out);
    const int f = p.factor;
    const std::int64_t plane = static_cast<std::int64_t>(p.out_height) * p.out_width;
    // The last slice is filled up with zeros, unless more channels follow in a later copy.
    const int padded = (p.out_first + p.channels + 7) / 8 * 8 - p.out_first;
    const std::int64_t items = plane * padded;
    for (std::int64_t i = first_item(); i < items; i += item_step()) {
        const int c = static_cast<int>(i / plane);
        const std::int64_t pixel = i - c * plane;
        const int y = static_cast<int>(pixel / p.out_width), x = static_cast<int>(pixel - static_cast<std::int64_t>(y) * p.out_width);
        float v = 0.f;
        if (c < p.channels) {
            int from = c, iy = y, ix = x;
            if (p.op == kMoveShuffle) {
                iy = y / f;
                ix = x / f;
                from = c * f * f + (y - iy * f) * f + (x - ix * f);
            } else if (p.op == kMoveUnshuffle) {
                from = c / (f * f);
                iy = y * f + c / f % f;
                ix = x * f + c % f;
            } else if (p.op == kMoveNearest) {
                iy = y / f;
                ix = x / f;
            }
            v = load1(in + element_at(from, iy, ix, p.in_height, p.in_width));
        }
        store1(out + element_at(p.out_first + c, y, x, p.out_height, p.out_width), v);
    }
}

template <class T>
ENLARGE_DEVICE void load_pixels(const LoadPixels& p) {
    const int f = p.factor, height = p.in.height / f, width = p.in.width / f;
    const std::int64_t plane = static_cast<std::int64_t>(height) * width;
    const std::int64_t items = plane * ((p.channels + 7) / 8);
    for (std::int64_t i = first_item(); i < items; i += item_step()) {
        const int slice = static_cast<int>(i / plane);
        const std::int64_t pixel = i - slice * plane;
        const int y = static_cast<int>(pixel / width), x = static_cast<int>(pixel - static_cast<std::int64_t>(y) * width);
        float v[8];
#pragma unroll 1
        for (int j = 0; j < 8; ++j) {
            const int c = slice * 8 + j;
            v[j] = c < p.channels ? read_channel(p.in, c / (f * f), x * f + c % f, y * f + c / f % f) : 0.f;
        }
        store8(reinterpret_cast<T*>(p.out) + i * 8, v);
    }
}

template <class T>
ENLARGE_DEVICE void store_pixels(const StorePixels& p) {
    const T* in = reinterpret_cast<const T*>(p.in);
    const bool yuv = p.out.kind == kPixelNv12 || p.out.kind == kPixelP010;
    const std::int64_t items = static_cast<std::int64_t>(p.out.height) * p.out.width;
    bool finite = true;
    auto at = [&](int c, int x, int y) { return load1(in + element_at(c, p.y + y, p.x + x, p.height, p.width)); };
    for (std::int64_t i = first_item(); i < items; i += item_step()) {
        const int y = static_cast<int>(i / p.out.width), x = static_cast<int>(i - static_cast<std::int64_t>(y) * p.out.width);
        if (!yuv) {
            for (int c = 0; c < p.out.channels; ++c) {
                const float v = at(c, x, y);
                finite = finite && is_finite(v);
                write_channel(p.out, c, x, y, v);
            }
            continue;
        }
        float v[3] = {at(0, x, y), at(1, x, y), at(2, x, y)};
        finite = finite && is_finite(v[0]) && is_finite(v[1]) && is_finite(v[2]);
        write_code(pixel_row(p.out, 0, y, true), p.out.kind, x, yuv_code(p.out, 0, v[0], v[1], v[2]));
        if ((x | y) & 1) continue;
        const int right = min(x + 1, p.out.width - 1), below = min(y + 1, p.out.height - 1);
        const int left = p.out.chroma_x == 0.f ? max(x - 1, 0) : right;
        float mean[3];
#pragma unroll 1
        for (int c = 0; c < 3; ++c) {
            float sum = 0.f;
            for (int j = 0; j < 2; ++j) {
                const int row = j ? below : y;
                const float here = clamp01(at(c, x, row)), next = clamp01(at(c, right, row));
                sum += p.out.chroma_x == 0.f ? 0.25f * clamp01(at(c, left, row)) + 0.5f * here + 0.25f * next
                                             : 0.5f * here + 0.5f * next;
            }
            mean[c] = 0.5f * sum;
        }
        unsigned char* row = pixel_row(p.out, 1, y / 2, true);
        write_code(row, p.out.kind, x, yuv_code(p.out, 1, mean[0], mean[1], mean[2]));
        write_code(row, p.out.kind, x + 1, yuv_code(p.out, 2, mean[0], mean[1], mean[2]));
    }
    if (!finite) raise_flag(p.flags);
}

ENLARGE_KERNEL(pointwise_f16, Pointwise, 256, 1) { pointwise<h16>(p); }
ENLARGE_KERNEL(pointwise_f32, Pointwise, 256, 1) { pointwise<float>(p); }
ENLARGE_KERNEL(move_f16, Move, 256, 1) { move<h16>(p); }
ENLARGE_KERNEL(move_f32, Move, 256, 1) { move<float>(p); }
ENLARGE_KERNEL(load_pixels_f16, LoadPixels, 256, 1) { load_pixels<h16>(p); }
ENLARGE_KERNEL(load_pixels_f32, LoadPixels, 256, 1) { load_pixels<float>(p); }
ENLARGE_KERNEL(store_pixels_f16, StorePixels, 256, 1) { store_pixels<h16>(p); }
ENLARGE_KERNEL(store_pixels_f32, StorePixels, 256, 1) { store_pixels<float>(p); }

// Antialiased resampling along one direction.
ENLARGE_KERNEL(resample, Resample, 256, 1) {
    const int* first = reinterpret_cast<const int*>(p.first);
    const float* weights = reinterpret_cast<const float*>(p.weights);
    const std::int64_t items = static_cast<std::int64_t>(p.out.height) * p.out.width;
    for (std::int64_t i = first_item(); i < items; i += item_step()) {
        const int y = static_cast<int>(i / p.out.width), x = static_cast<int>(i - static_cast<std::int64_t>(y) * p.out.width);
        const int along = p.vertical ? y : x, last = (p.vertical ? p.in.height : p.in.width) - 1;
        for (int c = 0; c < p.out.channels; ++c) {
            float sum = 0.f;
            for (int k = 0; k < p.taps; ++k) {
                const int at = min(max(first[along] + k, 0), last);
                sum += weights[static_cast<std::int64_t>(along) * p.taps + k] *
                       (p.vertical ? read_channel(p.in, c, x, at) : read_channel(p.in, c, at, y));
            }
            write_channel(p.out, c, x, y, sum);
        }
    }
}

}  // namespace enlarge::cuda
