// SPDX-License-Identifier: Apache-2.0
// Transforms of Winograd's F(4x4, 3x3), in single precision. After conv.glsl. With ENLARGE_NEAR_POINTS where polynomials
// are taken suits products of halves.
#extension GL_EXT_control_flow_attributes : require
const int kPlaces = 36;

// Where F(4, 3) takes its polynomials, beside 0 and infinity: at +-1 and +-2; half precision wants them nearer to one
// another, which makes its errors half as large (winograd.cpp has the same numbers).
const float kNear = 0.75, kWide = 1.5;
const float kSquares = kNear * kNear * kWide * kWide, kSum = kNear * kNear + kWide * kWide;

// The rows of B transposed times six numbers.
void transform_six(inout float d[6]) {
    const float a = d[0], b = d[1], c = d[2], e = d[3], f = d[4], g = d[5];
#ifdef ENLARGE_NEAR_POINTS
    d[0] = kSquares * a - kSum * c + f;
    d[1] = f + kNear * e - kWide * kWide * (kNear * b + c);
    d[2] = f - kNear * e + kWide * kWide * (kNear * b - c);
    d[3] = f - kNear * kNear * c + kWide * (e - kNear * kNear * b);
    d[4] = f - kNear * kNear * c - kWide * (e - kNear * kNear * b);
    d[5] = kSquares * b - kSum * e + g;
#else
    d[0] = 4.0 * a - 5.0 * c + f;
    d[1] = f + e - 4.0 * (b + c);
    d[2] = f - e + 4.0 * (b - c);
    d[3] = f - c + 2.0 * (e - b);
    d[4] = f - c - 2.0 * (e - b);
    d[5] = 4.0 * b - 5.0 * e + g;
#endif
}

// One block's 6x6 pixels, transformed.
void transform_block(int channel, int y, int x, out float d[36]) {
    // All 36 are read, at the nearest place within: see pixel_at().
    [[unroll]] for (int v = 0; v < 6; ++v) {
        const bool row_there = all(lessThan(uvec2(channel, y + v), uvec2(p.channels, p.height)));
        const int nearest = min(channel, p.channels - 1) * p.height + clamp(y + v, 0, p.height - 1);
        const uint begin = p.in_at.x + uint(nearest * p.width);
        float row[6];
        [[unroll]] for (int u = 0; u < 6; ++u) {
            const float one = float(source[begin + uint(clamp(x + u, 0, p.width - 1))]);
            row[u] = all(bvec2(row_there, uint(x + u) < uint(p.width))) ? one : 0.0;
        }
        transform_six(row);
        [[unroll]] for (int u = 0; u < 6; ++u) d[v * 6 + u] = row[u];
    }
    [[unroll]] for (int u = 0; u < 6; ++u) {
        float column[6];
        [[unroll]] for (int v = 0; v < 6; ++v) column[v] = d[v * 6 + u];
        transform_six(column);
        [[unroll]] for (int v = 0; v < 6; ++v) d[v * 6 + u] = column[v];
    }
}

// The rows of A transposed times six numbers.
void gather_six(float a, float b, float c, float d, float e, float f, out float r[4]) {
    const float plus = b + c, minus = b - c, wide = d + e, apart = d - e;
    r[0] = a + plus + wide;
#ifdef ENLARGE_NEAR_POINTS
    r[1] = kNear * minus + kWide * apart;
    r[2] = kNear * kNear * plus + kWide * kWide * wide;
    r[3] = kNear * kNear * kNear * minus + kWide * kWide * kWide * apart + f;
#else
    r[1] = minus + 2.0 * apart;
    r[2] = plus + 4.0 * wide;
    r[3] = minus + 8.0 * apart + f;
#endif
}
