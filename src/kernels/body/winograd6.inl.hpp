// SPDX-License-Identifier: Apache-2.0
// Winograd F(6x6,3x3) in floats, on what winograd.inl.hpp needs and has. Points 0, 1, -1, 2, -2, 1/2, -1/2, infinity.
// A block of 8x8 vectors fits no registers: it lies in memory between the two directions, whose loops stay loops.

ENLARGE_FORCE_INLINE void transform_input6(const vf (&d)[8], vf (&o)[8]) {
    const vf c21_4 = set1(5.25F), n17_4 = set1(-4.25F), c4 = set1(4.0F), n5 = set1(-5.0F);
    const vf c1_4 = set1(0.25F), n5_4 = set1(-1.25F), c2 = set1(2.0F), n2 = set1(-2.0F);
    const vf c1_2 = set1(0.5F), n1_2 = set1(-0.5F);
    o[0] = fma(c21_4, d[4] - d[2], d[0] - d[6]);
    o[7] = fma(c21_4, d[3] - d[5], d[7] - d[1]);
    const vf even1 = fma(n17_4, d[4], d[2] + d[6]), odd1 = fma(n17_4, d[3], d[1] + d[5]);
    o[1] = even1 + odd1;
    o[2] = even1 - odd1;
    const vf even2 = fma(n5_4, d[4], fma(c1_4, d[2], d[6])), odd2 = fma(n5, d[3], fma(c4, d[5], d[1]));
    o[3] = fma(c1_2, odd2, even2);
    o[4] = fma(n1_2, odd2, even2);
    const vf even3 = fma(n5, d[4], fma(c4, d[2], d[6])), odd3 = fma(n5_4, d[3], fma(c1_4, d[5], d[1]));
    o[5] = fma(c2, odd3, even3);
    o[6] = fma(n2, odd3, even3);
}

ENLARGE_FORCE_INLINE void transform_output6(const vf (&m)[8], vf (&o)[6]) {
    const vf s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4], s3 = m[5] + m[6], d3 = m[5] - m[6];
    o[0] = ((m[0] + s1) + s2) + s3;
    o[1] = fma(set1(0.5F), d3, fma(set1(2.0F), d2, d1));
    o[2] = fma(set1(0.25F), s3, fma(set1(4.0F), s2, s1));
    o[3] = fma(set1(0.125F), d3, fma(set1(8.0F), d2, d1));
    o[4] = fma(set1(0.0625F), s3, fma(set1(16.0F), s2, s1));
    o[5] = fma(set1(0.03125F), d3, fma(set1(32.0F), d2, d1)) + m[7];
}

void winograd6_input(const Window<float>& in, int blocks, int channels, float* v, std::ptrdiff_t pos_stride) {
    alignas(64) float t[8][8][kWidth];
    for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < channels; c += kWidth) {
            const std::ptrdiff_t at = b * in.step + c;
#pragma GCC unroll 1
            for (int j = 0; j < 8; ++j) {
                vf d[8], o[8];
                ENLARGE_UNROLL for (int i = 0; i < 8; ++i) d[i] = load(in.rows[i] + in.column[j] + at);
                transform_input6(d, o);
                ENLARGE_UNROLL for (int i = 0; i < 8; ++i) store(t[i][j], o[i]);
            }
            float* to = v + std::ptrdiff_t{b} * channels + c;
#pragma GCC unroll 1
            for (int i = 0; i < 8; ++i, to += 8 * pos_stride) {
                vf d[8], o[8];
                ENLARGE_UNROLL for (int j = 0; j < 8; ++j) d[j] = load(t[i][j]);
                transform_input6(d, o);
                ENLARGE_UNROLL for (int j = 0; j < 8; ++j) store(to + j * pos_stride, o[j]);
            }
        }
}

template <int kKind, class Out>
void winograd6_output_kind(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                           const Target<Out>& to) {
    const int channels = group * kLanes;
    alignas(64) float t[6][8][kWidth];
    for (int b = 0; b < blocks; ++b) {
        const int width = to.width - 6 * b < 6 ? to.width - 6 * b : 6;
        for (int c = 0; c < channels; c += kWidth) {
            const float* from = m + std::ptrdiff_t{b} * channels + c;
#pragma GCC unroll 1
            for (int j = 0; j < 8; ++j) {
                vf d[8], o[6];
                ENLARGE_UNROLL for (int i = 0; i < 8; ++i) d[i] = load(from + (i * 8 + j) * pos_stride);
                transform_output6(d, o);
                ENLARGE_UNROLL for (int i = 0; i < 6; ++i) store(t[i][j], o[i]);
            }
            const vf bias = load(e.bias + c);
            const vf slope = kKind <= 1 ? load(e.slope + c) : bias;
#pragma GCC unroll 1
            for (int i = 0; i < to.height; ++i) {
                vf d[8], o[6];
                ENLARGE_UNROLL for (int j = 0; j < 8; ++j) d[j] = load(t[i][j]);
                transform_output6(d, o);
                Out* out = to.out[i] + 6 * b * to.stride + c;
                ENLARGE_UNROLL for (int j = 0; j < 6; ++j)
                    if (j < width)
                        store(out + j * to.stride, finish<kKind>(o[j] + bias, e, slope, to, i, 6 * b + j, c));
            }
        }
    }
}

template <class Out>
void winograd6_output(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                      const Target<Out>& to) {
    switch (kind_of(e)) {
        case 0: return winograd6_output_kind<0>(m, pos_stride, blocks, group, e, to);
        case 1: return winograd6_output_kind<1>(m, pos_stride, blocks, group, e, to);
        case 2: return winograd6_output_kind<2>(m, pos_stride, blocks, group, e, to);
        default: return winograd6_output_kind<3>(m, pos_stride, blocks, group, e, to);
    }
}
