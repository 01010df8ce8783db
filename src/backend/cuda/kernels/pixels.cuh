// SPDX-License-Identifier: Apache-2.0
// Reading and writing pictures in device memory, in every format.
#pragma once

#include "../params.hpp"
#include "prims.cuh"

namespace enlarge::cuda {

ENLARGE_DEVICE const unsigned char* pixel_row(const DevicePixels& p, int plane, int y) {
    return reinterpret_cast<const unsigned char*>(p.plane[plane]) + p.pitch[plane] * y;
}
ENLARGE_DEVICE unsigned char* pixel_row(const DevicePixels& p, int plane, int y, bool) {
    return reinterpret_cast<unsigned char*>(p.plane[plane]) + p.pitch[plane] * y;
}

// Sample i of a row, as stored.
ENLARGE_DEVICE float read_sample(const unsigned char* row, int kind, int i) {
    switch (kind) {
        case kPixelU8: return row[i];
        case kPixelU16: return reinterpret_cast<const std::uint16_t*>(row)[i];
        case kPixelF16: return half_to_float(reinterpret_cast<const h16*>(row)[i]);
        default: return reinterpret_cast<const float*>(row)[i];
    }
}

// Code i of an NV12 or P010 plane; P010 keeps its 10 bits in the upper end of 16.
ENLARGE_DEVICE float read_code(const unsigned char* row, int kind, int i) {
    return kind == kPixelNv12 ? static_cast<float>(row[i])
                              : static_cast<float>(reinterpret_cast<const std::uint16_t*>(row)[i] >> 6);
}

ENLARGE_DEVICE void read_yuv(const DevicePixels& p, int x, int y, float (&rgb)[3]) {
    const float luma = read_code(pixel_row(p, 0, y), p.kind, x) * p.scale;
    // Chroma by bilinear interpolation between the four samples around, which repeat at the borders.
    const int cw = (p.width + 1) >> 1, ch = (p.height + 1) >> 1;
    const float cx = (static_cast<float>(x) - p.chroma_x) * 0.5f, cy = (static_cast<float>(y) - p.chroma_y) * 0.5f;
    const float fx = floorf(cx), fy = floorf(cy), wx = cx - fx, wy = cy - fy;
    const int x0 = max(static_cast<int>(fx), 0), x1 = min(static_cast<int>(fx) + 1, cw - 1);
    const int y0 = max(static_cast<int>(fy), 0), y1 = min(static_cast<int>(fy) + 1, ch - 1);
    const unsigned char* r0 = pixel_row(p, 1, y0);
    const unsigned char* r1 = pixel_row(p, 1, y1);
    float uv[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const float top = read_code(r0, p.kind, 2 * x0 + i) * (1.f - wx) + read_code(r0, p.kind, 2 * x1 + i) * wx;
        const float low = read_code(r1, p.kind, 2 * x0 + i) * (1.f - wx) + read_code(r1, p.kind, 2 * x1 + i) * wx;
        uv[i] = (top * (1.f - wy) + low * wy) * p.scale;
    }
#pragma unroll
    for (int c = 0; c < 3; ++c)
        rgb[c] = p.matrix[c * 4] * luma + p.matrix[c * 4 + 1] * uv[0] + p.matrix[c * 4 + 2] * uv[1] + p.matrix[c * 4 + 3];
}

// Channel c of pixel (x, y), 0..1; the pixel must exist.
ENLARGE_DEVICE float read_channel(const DevicePixels& p, int c, int x, int y) {
    if (p.kind == kPixelNv12 || p.kind == kPixelP010) {
        float rgb[3];
        read_yuv(p, x, y, rgb);
        return rgb[c];
    }
    const float v = p.planar ? read_sample(pixel_row(p, c, y), p.kind, x)
                             : read_sample(pixel_row(p, 0, y), p.kind, x * p.channels + c);
    return v / p.range;
}

// The first `count` channels of pixel (x, y).
ENLARGE_DEVICE void read_pixel(const DevicePixels& p, int count, int x, int y, float (&v)[4]) {
    if (p.kind == kPixelNv12 || p.kind == kPixelP010) {
        float rgb[3];
        read_yuv(p, x, y, rgb);
        v[0] = rgb[0];
        v[1] = rgb[1];
        v[2] = rgb[2];
        return;
    }
#pragma unroll
    for (int c = 0; c < 4; ++c)
        if (c < count) v[c] = read_channel(p, c, x, y);
}

ENLARGE_DEVICE float clamp01(float v) { return fminf(fmaxf(v, 0.f), 1.f); }

// Sample i of a row from a value 0..1: integers are clamped and rounded half to even, floats stay as they are.
ENLARGE_DEVICE void write_sample(unsigned char* row, int kind, float range, int i, float v) {
    switch (kind) {
        case kPixelU8:
            row[i] = static_cast<unsigned char>(round_even(clamp01(v) * range));
            break;
        case kPixelU16:
            reinterpret_cast<std::uint16_t*>(row)[i] = static_cast<std::uint16_t>(round_even(clamp01(v) * range));
            break;
        case kPixelF16: reinterpret_cast<h16*>(row)[i] = float_to_half(v); break;
        default: reinterpret_cast<float*>(row)[i] = v;
    }
}

// Code i of an NV12 or P010 plane from a value on the scale of the codes.
ENLARGE_DEVICE void write_code(unsigned char* row, int kind, int i, float code) {
    const int largest = kind == kPixelNv12 ? 255 : 1023;
    const int v = min(max(round_even(code), 0), largest);
    if (kind == kPixelNv12)
        row[i] = static_cast<unsigned char>(v);
    else
        reinterpret_cast<std::uint16_t*>(row)[i] = static_cast<std::uint16_t>(v << 6);
}

ENLARGE_DEVICE float yuv_code(const DevicePixels& p, int component, float r, float g, float b) {
    const float* m = p.matrix + component * 4;
    return (m[0] * clamp01(r) + m[1] * clamp01(g) + m[2] * clamp01(b) + m[3]) / p.scale;
}

ENLARGE_DEVICE void write_channel(const DevicePixels& p, int c, int x, int y, float v) {
    if (p.planar)
        write_sample(pixel_row(p, c, y, true), p.kind, p.range, x, v);
    else
        write_sample(pixel_row(p, 0, y, true), p.kind, p.range, x * p.channels + c, v);
}

}  // namespace enlarge::cuda
