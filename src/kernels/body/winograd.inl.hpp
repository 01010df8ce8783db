// SPDX-License-Identifier: Apache-2.0
// Winograd F(4x4,3x3) on whatever vector the including isa/ file defines: vf of kWidth floats, load, store, set1, fma, the
// constant kLanes; and for 16 bits store_pair, which rounds half to even, saturates and keeps the largest in a Peak.
// Points 0, 1, -1, 2, -2, infinity.

ENLARGE_FORCE_INLINE void transform_input(const vf (&d)[6], vf (&o)[6]) {
    const vf c4 = set1(4.0F), c5 = set1(-5.0F), n4 = set1(-4.0F), c2 = set1(2.0F), n2 = set1(-2.0F);
    const vf t0 = fma(n4, d[2], d[4]), t1 = fma(n4, d[1], d[3]), t2 = d[4] - d[2], t3 = d[3] - d[1];
    o[0] = fma(c4, d[0], fma(c5, d[2], d[4]));
    o[1] = t0 + t1;
    o[2] = t0 - t1;
    o[3] = fma(c2, t3, t2);
    o[4] = fma(n2, t3, t2);
    o[5] = fma(c4, d[1], fma(c5, d[3], d[5]));
}

ENLARGE_FORCE_INLINE void transform_output(const vf (&m)[6], vf (&o)[4]) {
    const vf c2 = set1(2.0F), c4 = set1(4.0F), c8 = set1(8.0F);
    const vf s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    o[0] = (m[0] + s1) + s2;
    o[1] = fma(c2, d2, d1);
    o[2] = fma(c4, s2, s1);
    o[3] = fma(c8, d2, d1) + m[5];
}

// Down the columns of one block and one vector of channels.
template <class In>
ENLARGE_FORCE_INLINE void transform_columns(const Window<In>& in, std::ptrdiff_t at, vf (&t)[6][6]) {
    ENLARGE_UNROLL for (int j = 0; j < 6; ++j) {
        vf d[6], o[6];
        ENLARGE_UNROLL for (int i = 0; i < 6; ++i) d[i] = load(in.rows[i] + in.column[j] + at);
        transform_input(d, o);
        ENLARGE_UNROLL for (int i = 0; i < 6; ++i) t[i][j] = o[i];
    }
}

// V of the same; give(i, values) for each of the six rows of positions.
template <class In, class Give>
ENLARGE_FORCE_INLINE void transform_block(const Window<In>& in, std::ptrdiff_t at, const Give& give) {
    vf t[6][6];
    transform_columns(in, at, t);
    ENLARGE_UNROLL for (int i = 0; i < 6; ++i) {
        vf o[6];
        transform_input(t[i], o);
        give(i, o);
    }
}

template <class In>
void winograd_input(const Window<In>& in, int blocks, int channels, float* v, std::ptrdiff_t pos_stride) {
    for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < channels; c += kWidth) {
            float* to = v + std::ptrdiff_t{b} * channels + c;
            transform_block(in, b * in.step + c, [&](int i, const vf (&o)[6]) ENLARGE_INLINE {
                ENLARGE_UNROLL for (int j = 0; j < 6; ++j) store(to + (i * 6 + j) * pos_stride, o[j]);
            });
        }
}

// One block in 16 bits, smaller by `by` where kSmaller; whether it stays within the range.
template <bool kSmaller>
ENLARGE_FORCE_INLINE bool block_ints(const Window<Half>& in, std::ptrdiff_t at, int channels, const float* scale, float by,
                            std::int16_t* v, std::ptrdiff_t pos_stride) {
    Peak peak = no_peak();
    for (int c = 0; c < channels; c += kWidth)
        transform_block(in, at + c, [&](int i, const vf (&o)[6]) ENLARGE_INLINE {
            ENLARGE_UNROLL for (int j = 0; j < 6; j += 2) {
                const std::ptrdiff_t p = i * 6 + j;
                vf first = o[j] * load(scale + p * channels + c), second = o[j + 1] * load(scale + (p + 1) * channels + c);
                if constexpr (kSmaller) {
                    first = first * set1(by);
                    second = second * set1(by);
                }
                store_pair(v + p * pos_stride + c, first, v + (p + 1) * pos_stride + c, second, peak);
            }
        });
    return within_range(peak);
}

// A block that does not fit is computed again: rare, and never the next one's business, so results do not depend on
// which blocks come together.
ENLARGE_NOINLINE float shrink_block(const Window<Half>& in, std::ptrdiff_t at, int channels, const float* scale, std::int16_t* v,
                            std::ptrdiff_t pos_stride) {
    for (float unit = 4; unit <= kLargestUnit; unit *= 4)
        if (block_ints<true>(in, at, channels, scale, 1 / unit, v, pos_stride)) return unit;
    return __builtin_nanf("");
}

void winograd_input_ints(const Window<Half>& in, int blocks, int channels, const float* scale, std::int16_t* v,
                         std::ptrdiff_t pos_stride, float* unit) {
    for (int b = 0; b < blocks; ++b, v += channels) {
        unit[b] = 1;
        if (!block_ints<false>(in, b * in.step, channels, scale, 1, v, pos_stride))
            unit[b] = shrink_block(in, b * in.step, channels, scale, v, pos_stride);
    }
}

constexpr int kDoubles = kWidth / 2;  // in a vector
using vd = double __attribute__((vector_size(kWidth * sizeof(float)), may_alias));
using vf_half = float __attribute__((vector_size(kWidth * sizeof(float) / 2), may_alias));

ENLARGE_FORCE_INLINE void transform_weights(const vd (&g)[3], vd (&o)[6]) {
    const vd a = g[0] * (-1.0 / 6), b = g[1] * (-1.0 / 6), c = g[2] * (1.0 / 6);
    const vd d = g[0] * (1.0 / 24), e = g[1] * (1.0 / 12);
    o[0] = g[0] * 0.25;
    o[1] = (a + b) - c;
    o[2] = (a - b) - c;
    o[3] = (d + e) + c;
    o[4] = (d - e) + c;
    o[5] = g[2];
}

// Of F(6x6,3x3).
ENLARGE_FORCE_INLINE void transform_weights(const vd (&g)[3], vd (&o)[8]) {
    const vd a = (g[0] + g[2]) * (-2.0 / 9), b = g[1] * (2.0 / 9);
    const vd c = g[0] * (1.0 / 90) + g[2] * (2.0 / 45), d = g[1] * (1.0 / 45);
    const vd e = g[0] * (32.0 / 45) + g[2] * (8.0 / 45), f = g[1] * (16.0 / 45);
    o[0] = g[0];
    o[1] = a - b;
    o[2] = a + b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = e + f;
    o[6] = e - f;
    o[7] = g[2];
}

// A vector of outputs at a time, by way of memory of its own: half vectors and single numbers that were just written
// are slow to read as whole ones.
template <int kSide>
void winograd_weights(const float* const* taps, int group, float* u, std::ptrdiff_t pos_stride) {
    for (int first = 0; first < group * kLanes; first += kWidth) {
        alignas(64) float g[9][kWidth], out[kSide * kSide][kWidth];
        for (int n = 0; n < kWidth; ++n)
            for (int k = 0; k < 9; ++k) g[k][n] = taps[first + n][k];
        for (int half = 0; half < kWidth; half += kDoubles) {
            vd t[kSide][3];
            ENLARGE_UNROLL for (int c = 0; c < 3; ++c) {
                vd column[3], o[kSide];
                ENLARGE_UNROLL for (int r = 0; r < 3; ++r)
                    column[r] = __builtin_convertvector(*reinterpret_cast<const vf_half*>(g[3 * r + c] + half), vd);
                transform_weights(column, o);
                ENLARGE_UNROLL for (int i = 0; i < kSide; ++i) t[i][c] = o[i];
            }
            ENLARGE_UNROLL for (int i = 0; i < kSide; ++i) {
                vd o[kSide];
                transform_weights(t[i], o);
                ENLARGE_UNROLL for (int j = 0; j < kSide; ++j) {
                    const vf_half rounded = __builtin_convertvector(o[j], vf_half);
                    __builtin_memcpy(out[i * kSide + j] + half, &rounded, sizeof rounded);
                }
            }
        }
        for (int p = 0; p < kSide * kSide; ++p) store(u + p * pos_stride + first, load(out[p]));
    }
}

// kind: 0 prelu, 1 prelu and residuals, 2 silu (residuals possible), 3 gate.
template <int kKind, class Out>
ENLARGE_FORCE_INLINE vf finish(vf y, const Epilogue& e, vf slope, const Target<Out>& to, int row, std::ptrdiff_t x, int c) {
    if constexpr (kKind == 0) return prelu(y, slope);
    if constexpr (kKind == 3) {
        const vf r = load(to.residual[0][row] + x * to.residual_stride[0] + c);
        return (y + r) * (sigmoid(y) - set1(0.5F));
    }
    y = kKind == 1 ? prelu(y, slope) : y * sigmoid(y);
    for (int k = 0; k < e.residuals; ++k) {
        const vf r = load(to.residual[k][row] + x * to.residual_stride[k] + c);
        y = fma(set1(e.mix[k]), r, set1(e.keep[k]) * y);
    }
    return y;
}

inline int kind_of(const Epilogue& e) {
    return e.activation == Activation::gate ? 3 : e.activation == Activation::silu ? 2 : e.residuals ? 1 : 0;
}

// What is added to a block's sums, which count times `unit` when they are integers.
ENLARGE_FORCE_INLINE vf add_bias(float, vf y, vf, vf bias) { return y + bias; }
ENLARGE_FORCE_INLINE vf add_bias(std::int32_t, vf y, vf unit, vf bias) { return fma(y, unit, bias); }

ENLARGE_FORCE_INLINE vf load_sum(const float* m, const float*, std::ptrdiff_t) { return load(m); }
ENLARGE_FORCE_INLINE vf load_sum(const std::int32_t* m, const float* scale, std::ptrdiff_t at) { return load(m) * load(scale + at); }

template <int kKind, class Sum, class Out>
void winograd_output_kind(const Sum* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                          const Target<Out>& to) {
    const int channels = group * kLanes;
    for (int b = 0; b < blocks; ++b) {
        const int width = to.width - 4 * b < 4 ? to.width - 4 * b : 4;
        const vf unit = set1(e.unit ? e.unit[b] : 1.0F);
        for (int c = 0; c < channels; c += kWidth) {
            const Sum* from = m + std::ptrdiff_t{b} * channels + c;
            vf t[4][6];
            ENLARGE_UNROLL for (int j = 0; j < 6; ++j) {
                vf d[6], o[4];
                ENLARGE_UNROLL for (int i = 0; i < 6; ++i) d[i] = load_sum(from + (i * 6 + j) * pos_stride, e.scale, (i * 6 + j) * e.scale_stride + c);
                transform_output(d, o);
                ENLARGE_UNROLL for (int i = 0; i < 4; ++i) t[i][j] = o[i];
            }
            const vf bias = load(e.bias + c);
            const vf slope = kKind <= 1 ? load(e.slope + c) : bias;
            ENLARGE_UNROLL for (int i = 0; i < 4; ++i) {
                if (i >= to.height) break;
                vf o[4];
                transform_output(t[i], o);
                Out* out = to.out[i] + 4 * b * to.stride + c;
                if (width == 4) {
                    ENLARGE_UNROLL for (int j = 0; j < 4; ++j)
                        store(out + j * to.stride, finish<kKind>(add_bias(Sum{}, o[j], unit, bias), e, slope, to, i, 4 * b + j, c));
                } else {
                    ENLARGE_UNROLL for (int j = 0; j < 4; ++j)
                        if (j < width)
                            store(out + j * to.stride, finish<kKind>(add_bias(Sum{}, o[j], unit, bias), e, slope, to, i, 4 * b + j, c));
                }
            }
        }
    }
}

template <class Sum, class Out>
void winograd_output(const Sum* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                     const Target<Out>& to) {
    switch (kind_of(e)) {
        case 0: return winograd_output_kind<0>(m, pos_stride, blocks, group, e, to);
        case 1: return winograd_output_kind<1>(m, pos_stride, blocks, group, e, to);
        case 2: return winograd_output_kind<2>(m, pos_stride, blocks, group, e, to);
        default: return winograd_output_kind<3>(m, pos_stride, blocks, group, e, to);
    }
}
