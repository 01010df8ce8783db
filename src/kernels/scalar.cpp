// SPDX-License-Identifier: Apache-2.0
// Every kernel as a plain loop: what the others are tested against, and what runs where none of them does.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/half.hpp"
#include "kernels/table.hpp"
#include "kernels/winograd.hpp"

namespace enlarge {
namespace {

constexpr int kLanes = 8;

float get(const float* p) { return *p; }
float get(const Half* p) { return half_to_float(*p); }
void put(float* p, float x) { *p = x; }
void put(Half* p, float x) { *p = float_to_half(x); }
void fma_rounds(std::size_t rounds) {  // without the instruction: a product and a sum
    volatile float kept = 0;
    float sums[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (std::size_t r = 0; r < rounds; ++r)
        for (float& sum : sums) sum = sum * 0.999F + 0.5F;
    for (const float sum : sums) kept = kept + sum;
}

void leaky_relu_f32(float* x, std::size_t n, float slope) {
    for (std::size_t i = 0; i < n; ++i) x[i] = x[i] < 0 ? slope * x[i] : x[i];
}

template <class T>
void transform_input(const T* d, T* o) {
    o[0] = 4 * d[0] - 5 * d[2] + d[4];
    o[1] = (d[4] - 4 * d[2]) + (d[3] - 4 * d[1]);
    o[2] = (d[4] - 4 * d[2]) - (d[3] - 4 * d[1]);
    o[3] = (d[4] - d[2]) + 2 * (d[3] - d[1]);
    o[4] = (d[4] - d[2]) - 2 * (d[3] - d[1]);
    o[5] = 4 * d[1] - 5 * d[3] + d[5];
}

// V of one block and channel.
template <class In>
void transform_block(const Window<In>& in, std::ptrdiff_t at, float (&v)[36]) {
    float t[6][6];
    for (int j = 0; j < 6; ++j) {
        float d[6], o[6];
        for (int i = 0; i < 6; ++i) d[i] = get(in.rows[i] + at + in.column[j]);
        transform_input(d, o);
        for (int i = 0; i < 6; ++i) t[i][j] = o[i];
    }
    for (int i = 0; i < 6; ++i) transform_input(t[i], v + i * 6);
}

template <int kSide>
void winograd_weights(const double (&by)[kSide][3], const float* const* taps, int group, float* u,
                      std::ptrdiff_t pos_stride) {
    const auto transform = [&](const double (&g)[3], double (&o)[kSide]) {
        for (int i = 0; i < kSide; ++i) o[i] = by[i][0] * g[0] + by[i][1] * g[1] + by[i][2] * g[2];
    };
    for (int n = 0; n < group * kLanes; ++n) {
        double t[kSide][3], o[kSide];
        for (int c = 0; c < 3; ++c) {
            transform({taps[n][c], taps[n][3 + c], taps[n][6 + c]}, o);
            for (int i = 0; i < kSide; ++i) t[i][c] = o[i];
        }
        for (int i = 0; i < kSide; ++i) {
            transform(t[i], o);
            for (int j = 0; j < kSide; ++j) u[(i * kSide + j) * pos_stride + n] = static_cast<float>(o[j]);
        }
    }
}

void winograd_weights_f32(const float* const* taps, int group, float* u, std::ptrdiff_t pos_stride) {
    winograd_weights(kWinogradG, taps, group, u, pos_stride);
}
void winograd6_weights_f32(const float* const* taps, int group, float* u, std::ptrdiff_t pos_stride) {
    winograd_weights(kWinograd6G, taps, group, u, pos_stride);
}

void transform_input6(const float* d, float* o) {
    const float even1 = d[2] - 4.25F * d[4] + d[6], odd1 = d[1] - 4.25F * d[3] + d[5];
    const float even2 = 0.25F * d[2] - 1.25F * d[4] + d[6], odd2 = 0.5F * d[1] - 2.5F * d[3] + 2 * d[5];
    const float even3 = 4 * d[2] - 5 * d[4] + d[6], odd3 = 2 * d[1] - 2.5F * d[3] + 0.5F * d[5];
    o[0] = (d[0] - d[6]) + 5.25F * (d[4] - d[2]);
    o[1] = even1 + odd1;
    o[2] = even1 - odd1;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = even3 + odd3;
    o[6] = even3 - odd3;
    o[7] = (d[7] - d[1]) + 5.25F * (d[3] - d[5]);
}

template <class In>
void transform_block(const Window<In>& in, std::ptrdiff_t at, float (&v)[64]) {
    float t[8][8];
    for (int j = 0; j < 8; ++j) {
        float d[8], o[8];
        for (int i = 0; i < 8; ++i) d[i] = get(in.rows[i] + at + in.column[j]);
        transform_input6(d, o);
        for (int i = 0; i < 8; ++i) t[i][j] = o[i];
    }
    for (int i = 0; i < 8; ++i) transform_input6(t[i], v + i * 8);
}

template <int kPositions, class In>
void winograd_input(const Window<In>& in, int blocks, int channels, float* v, std::ptrdiff_t pos_stride) {
    for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < channels; ++c) {
            float block[kPositions];
            transform_block(in, b * in.step + c, block);
            for (int p = 0; p < kPositions; ++p) v[p * pos_stride + std::ptrdiff_t{b} * channels + c] = block[p];
        }
}

// Whether all of block b stays within the range.
bool block_f16_i16(const Window<Half>& in, int b, int channels, const float* scale, float unit, std::int16_t* v,
                   std::ptrdiff_t pos_stride) {
    bool fits = true;
    for (int c = 0; c < channels; ++c) {
        float block[36];
        transform_block(in, b * in.step + c, block);
        for (int p = 0; p < 36; ++p) {
            const float rounded = std::nearbyint(block[p] * scale[std::ptrdiff_t{p} * channels + c] / unit);
            const bool inside = std::fabs(rounded) <= 32766.0F;  // not when NaN
            fits = fits && inside;
            v[p * pos_stride + std::ptrdiff_t{b} * channels + c] = inside ? static_cast<std::int16_t>(rounded) : std::int16_t{0};
        }
    }
    return fits;
}

void winograd_input_f16_i16(const Window<Half>& in, int blocks, int channels, const float* scale, std::int16_t* v,
                            std::ptrdiff_t pos_stride, float* unit) {
    for (int b = 0; b < blocks; ++b) {
        unit[b] = 1;
        while (!block_f16_i16(in, b, channels, scale, unit[b], v, pos_stride)) {
            unit[b] = unit[b] < kLargestUnit ? unit[b] * 4 : std::numeric_limits<float>::quiet_NaN();
            if (std::isnan(unit[b])) break;
        }
    }
}

float upper(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xFFFF0000U); }
float number_of(BFloat x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }
BFloat bfloat_of(float x) { return static_cast<BFloat>(std::bit_cast<std::uint32_t>(x) >> 16); }

void terms_of(float x, bool rounded, BFloat (&term)[kMostTerms]) {
    const float first = upper(std::bit_cast<std::uint32_t>(x) + (rounded ? 0x8000U : 0U)), left = x - first;
    term[0] = bfloat_of(first);
    term[1] = bfloat_of(left);
    term[2] = bfloat_of(left - upper(std::bit_cast<std::uint32_t>(left)));
}

// Place p of a row of terms.
void put_terms(float x, int p, int terms, BFloat* row) {
    BFloat term[kMostTerms];
    terms_of(x, terms == kMostTerms, term);
    for (int t = 0; t < terms; ++t) row[(p / kTermBlock * terms + t) * kTermBlock + p % kTermBlock] = term[t];
}

template <int kPositions, class In>
void winograd_input_terms(const Window<In>& in, int blocks, int channels, int terms, BFloat* v,
                          std::ptrdiff_t pos_stride) {
    const std::ptrdiff_t row = term_row(channels, terms);
    for (int b = 0; b < blocks; ++b)
        for (int place = 0; place < static_cast<int>(row) / terms; ++place) {
            float block[kPositions] = {};
            if (const int c = term_channel(place); c < channels) transform_block(in, b * in.step + c, block);
            for (int p = 0; p < kPositions; ++p) put_terms(block[p], place, terms, v + p * pos_stride + b * row);
        }
}

void to_terms_f32(const float* x, std::ptrdiff_t stride, int rows, int channels, int terms, BFloat* out) {
    const std::ptrdiff_t row = term_row(channels, terms);
    for (int r = 0; r < rows; ++r, x += stride, out += row)
        for (int p = 0; p < static_cast<int>(row) / terms; ++p) {
            const int c = term_channel(p);
            put_terms(c < channels ? x[c] : 0.0F, p, terms, out);
        }
}

// Where term t of place c's weight for the first output of a block of outputs lies.
std::ptrdiff_t weight_at(int c, int t, int block, int group, int terms) {
    return ((std::ptrdiff_t{c / kTermBlock * terms + t} * group + block) * (kTermBlock / 2) + c % kTermBlock / 2) * 2 *
               kLanes +
           c % 2;
}

void weights_to_terms(const float* w, std::ptrdiff_t stride, int first, int count, int group, int terms, BFloat* to) {
    for (int i = 0; i < count; ++i, w += stride)
        for (int n = 0; n < group * kLanes; ++n) {
            BFloat term[kMostTerms];
            terms_of(w[n], true, term);
            for (int t = 0; t < terms; ++t)
                to[weight_at(first + i, t, n / kLanes, group, terms) + std::ptrdiff_t{n % kLanes} * 2] = term[t];
        }
}

// One sum of a position: of output n for row a.
float sum_of_terms(const TermProduct& p, const BFloat* a, const BFloat* w, int n) {
    float sum = 0;
    for (int c = 0; c < p.channels; ++c)
        for (int i = 0; i < p.terms; ++i)
            for (int j = 0; i + j < p.terms; ++j)
                sum += number_of(a[(c / kTermBlock * p.terms + i) * kTermBlock + c % kTermBlock]) *
                       number_of(w[weight_at(c, j, n / kLanes, p.group, p.terms) + std::ptrdiff_t{n % kLanes} * 2]);
    return sum;
}

void product_terms(const TermProduct& p) {
    const int width = p.group * kLanes;
    for (std::ptrdiff_t q = 0; q < p.positions; ++q)
        for (std::ptrdiff_t g = 0; g < p.groups; ++g)
            for (std::ptrdiff_t r = 0; r < p.rows; ++r)
                for (int n = 0; n < width; ++n)
                    p.m[q * p.m_position + r * p.m_stride + g * width + n] = sum_of_terms(
                        p, p.a + q * p.a_position + r * p.a_stride, p.w + q * p.w_position + g * p.w_group, n);
}

void product_f32(const float* a, std::ptrdiff_t stride, int rows, int k, const float* w, int group, float* m, std::ptrdiff_t m_stride) {
    const int width = group * kLanes;
    for (int t = 0; t < rows; ++t, a += stride, m += m_stride) {
        for (int n = 0; n < width; ++n) m[n] = 0;
        for (int i = 0; i < k; ++i)
            for (int n = 0; n < width; ++n) m[n] += a[i] * w[static_cast<std::ptrdiff_t>(i) * width + n];
    }
}

void gemm_f32(const float* a, int tiles, int k, const float* w, int group, float* m) {
    product_f32(a, k, tiles, k, w, group, m, std::ptrdiff_t{group} * kLanes);
}

void gemm_i16(const std::int16_t* a, int tiles, int k, const std::int16_t* w, int group, std::int32_t* m) {
    const int width = group * kLanes;
    for (int t = 0; t < tiles; ++t, a += k, m += width)
        for (int n = 0; n < width; ++n) {
            std::int32_t sum = 0;
            for (int i = 0; i < k; ++i)
                sum += std::int32_t{a[i]} * w[(static_cast<std::ptrdiff_t>(i / 2) * width + n) * 2 + i % 2];
            m[n] = sum;
        }
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

template <class Out>
void finish(float y, const Epilogue& e, const Target<Out>& to, int row, std::ptrdiff_t x, int c) {
    const auto residual = [&](int i) { return get(to.residual[i][row] + x * to.residual_stride[i] + c); };
    if (e.activation == Activation::gate) {
        y = (y + residual(0)) * (sigmoid(y) - 0.5F);
    } else {
        y = e.activation == Activation::silu ? y * sigmoid(y) : y < 0 ? e.slope[c] * y : y;
        for (int i = 0; i < e.residuals; ++i) y = e.keep[i] * y + e.mix[i] * residual(i);
    }
    put(to.out[row] + x * to.stride + c, y);
}

void transform_output(const float* m, float* o) {
    o[0] = (m[0] + (m[1] + m[2])) + (m[3] + m[4]);
    o[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]);
    o[2] = (m[1] + m[2]) + 4 * (m[3] + m[4]);
    o[3] = (m[1] - m[2]) + 8 * (m[3] - m[4]) + m[5];
}

template <class Sum, class Out>
void winograd_output(const Sum* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                     const Target<Out>& to) {
    const int width = group * kLanes;
    for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < width; ++c) {
            float t[4][6];
            for (int j = 0; j < 6; ++j) {
                float d[6], o[4];
                for (int i = 0; i < 6; ++i) {
                    const Sum sum = m[(i * 6 + j) * pos_stride + std::ptrdiff_t{b} * width + c];
                    d[i] = static_cast<float>(sum) * (e.scale ? e.scale[(i * 6 + j) * e.scale_stride + c] : 1.0F);
                }
                transform_output(d, o);
                for (int i = 0; i < 4; ++i) t[i][j] = o[i];
            }
            for (int i = 0; i < 4 && i < to.height; ++i) {
                float o[4];
                transform_output(t[i], o);
                const float unit = e.unit ? e.unit[b] : 1.0F;
                for (int j = 0; j < 4 && 4 * b + j < to.width; ++j)
                    finish(o[j] * unit + e.bias[c], e, to, i, 4 * b + j, c);
            }
        }
}

void transform_output6(const float* m, float* o) {
    const float s1 = m[1] + m[2], s2 = m[3] + m[4], s3 = m[5] + m[6];
    const float d1 = m[1] - m[2], d2 = m[3] - m[4], d3 = m[5] - m[6];
    o[0] = m[0] + s1 + s2 + s3;
    o[1] = d1 + 2 * d2 + d3 / 2;
    o[2] = s1 + 4 * s2 + s3 / 4;
    o[3] = d1 + 8 * d2 + d3 / 8;
    o[4] = s1 + 16 * s2 + s3 / 16;
    o[5] = d1 + 32 * d2 + d3 / 32 + m[7];
}

template <class Out>
void winograd6_output(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                      const Target<Out>& to) {
    const int width = group * kLanes;
    for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < width; ++c) {
            float t[6][8];
            for (int j = 0; j < 8; ++j) {
                float d[8], o[6];
                for (int i = 0; i < 8; ++i) d[i] = m[(i * 8 + j) * pos_stride + std::ptrdiff_t{b} * width + c];
                transform_output6(d, o);
                for (int i = 0; i < 6; ++i) t[i][j] = o[i];
            }
            for (int i = 0; i < to.height; ++i) {
                float o[6];
                transform_output6(t[i], o);
                for (int j = 0; j < 6 && 6 * b + j < to.width; ++j) finish(o[j] + e.bias[c], e, to, i, 6 * b + j, c);
            }
        }
}

void finish_f32(const float* sums, int group, const Epilogue& e, const Target<float>& to) {
    const int width = group * kLanes;
    for (int x = 0; x < to.width; ++x)
        for (int n = 0; n < width; ++n) finish(sums[x * width + n] + e.bias[n], e, to, 0, x, n);
}

template <class In, class Out>
void conv(const Taps<In>& in, const float* w, int group, const Epilogue& e, const Target<Out>& to) {
    const int width = group * kLanes;
    for (int x = 0; x < to.width; ++x) {
        float sums[kMaxGroup * kLanes] = {};
        const float* weight = w;
        for (int y = 0; y < in.height; ++y)
            for (int r = 0; r < in.runs; ++r)
                for (int k = 0; k < in.length; ++k, weight += width) {
                    const float value = get(in.rows[y] + x * in.step + r * in.run_step + k);
                    for (int n = 0; n < width; ++n) sums[n] += value * weight[n];
                }
        for (int n = 0; n < width; ++n) finish(sums[n] + e.bias[n], e, to, 0, x, n);
    }
}

void depthwise_f32(const Taps<float>& in, const float* w, const float* bias, int pixels, float* out, std::ptrdiff_t stride) {
    for (int p = 0; p < pixels; ++p)
        for (int c = 0; c < in.length; ++c) {
            float sum = bias[c];
            for (int y = 0; y < in.height; ++y)
                for (int r = 0; r < in.runs; ++r)
                    sum += in.rows[y][p * in.step + r * in.run_step + c] * w[std::ptrdiff_t{y * in.runs + r} * in.length + c];
            out[p * stride + c] = sum;
        }
}

float map_one(Map f, float number) {
    const double x = number;
    switch (f) {
        case Map::gelu: return static_cast<float>(x / 2 * (1 + std::erf(x * M_SQRT1_2)));
        case Map::gelu_tanh:
            return static_cast<float>(x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))));
        case Map::mish: return static_cast<float>(x > 30 ? x : x * std::tanh(std::log1p(std::exp(x))));
        case Map::silu: return static_cast<float>(x / (1 + std::exp(-x)));
        case Map::sigmoid: return static_cast<float>(1 / (1 + std::exp(-x)));
        case Map::tanh: return static_cast<float>(std::tanh(x));
        case Map::exp: break;
    }
    return static_cast<float>(std::exp(std::min(x, 87.0)));
}

void map_f32(Map f, const float* x, std::size_t n, float* y) {
    for (std::size_t i = 0; i < n; ++i) y[i] = map_one(f, x[i]);
}

void norm_f32(Norm norm, const float* x, std::ptrdiff_t stride, int pixels, int channels, float epsilon,
              const float* scale, const float* shift, float* y, std::ptrdiff_t y_stride) {
    const int padded = (channels + kLanes - 1) / kLanes * kLanes;
    for (int p = 0; p < pixels; ++p, x += stride, y += y_stride) {
        float mean = 0, squares = 0;
        if (norm == Norm::layer)
            for (int c = 0; c < channels; ++c) mean += x[c] / static_cast<float>(channels);
        for (int c = 0; c < channels; ++c) squares += (x[c] - mean) * (x[c] - mean);
        const float by = norm == Norm::l2 ? 1 / std::max(std::sqrt(squares), epsilon)
                                          : 1 / std::sqrt(squares / static_cast<float>(channels) + epsilon);
        for (int c = 0; c < channels; ++c) y[c] = (x[c] - mean) * by * scale[c] + shift[c];
        for (int c = channels; c < padded; ++c) y[c] = 0;
    }
}

void softmax_f32(float* x, int rows, int n, std::ptrdiff_t stride, float scale, const float* bias, std::ptrdiff_t bias_stride) {
    for (int row = 0; row < rows; ++row, x += stride, bias += bias_stride) {
        for (int i = 0; i < n; ++i) x[i] = scale * x[i] + bias[i];
        const float largest = *std::max_element(x, x + n);
        float sum = 0;
        for (int i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - largest);
        for (int i = 0; i < n; ++i) x[i] /= sum;
    }
}

void sum_f32_f64(const float* x, std::ptrdiff_t stride, int pixels, int channels, const double* mean, double* sums) {
    for (int p = 0; p < pixels; ++p, x += stride)
        for (int c = 0; c < channels; ++c) {
            const double off = mean ? x[c] - mean[c] : 0;
            sums[c] += mean ? off * off : double{x[c]};
        }
}

void transpose_f32(const float* const* from, int rows, int columns, float scale, float* const* to) {
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < columns; ++c) to[c][r] = from[r][c] * scale;
}

void winograd_lines_f32(const float* const* from, std::size_t n, float* const* to) {
    for (std::size_t i = 0; i < n; ++i) {
        float d[6], o[6];
        for (int k = 0; k < 6; ++k) d[k] = from[k][i];
        transform_input(d, o);
        for (int k = 0; k < 6; ++k) to[k][i] = o[k];
    }
}

void planes_f32(const Planes& in, int blocks, const float* u, int outs, bool add, float* m, std::ptrdiff_t m_stride) {
    for (int o = 0; o < outs; ++o)
        for (int b = 0; b < blocks; ++b) {
            float sum = add ? m[o * m_stride + b] : 0.0F;
            for (int t = 0; t < in.taps; ++t)
                for (int c = 0; c < in.channels; ++c)
                    sum += u[(std::ptrdiff_t{o} * in.taps + t) * in.channels + c] * in.tap[t][c * in.stride + b];
            m[o * m_stride + b] = sum;
        }
}

void attention_f32(const float* q, const float* keys, const float* values, std::ptrdiff_t stride, int count, int size,
                   const float* const* bias, std::ptrdiff_t offset, float* scores, float* out) {
    constexpr int kWide = 2 * kLanes;
    for (int i = 0; i < kWide; ++i) {
        float largest = -std::numeric_limits<float>::infinity(), sum = 0;
        for (int j = 0; j < count; ++j) {
            float score = bias[j][offset + i];
            for (int c = 0; c < size; ++c) score += q[c * kWide + i] * keys[j * stride + c];
            scores[j * kWide + i] = score;
            largest = std::max(largest, score);
        }
        for (int j = 0; j < count; ++j) sum += scores[j * kWide + i] = std::exp(scores[j * kWide + i] - largest);
        for (int c = 0; c < size; ++c) {
            float mean = 0;
            for (int j = 0; j < count; ++j) mean += scores[j * kWide + i] * values[j * stride + c];
            out[c * kWide + i] = mean / sum;
        }
    }
}

void shuffle_line_f32(const float* x, std::ptrdiff_t stride, int pixels, int run, int channels, const float* base,
                      float* line) {
    for (int p = 0; p < pixels; ++p)
        for (int i = 0; i < run; ++i)
            line[std::ptrdiff_t{p} * run + i] = base ? x[p * stride + i] + base[p * 4 + i % channels] : x[p * stride + i];
}

void quantise_u8(const float* x, std::size_t n, std::uint8_t* out) {
    for (std::size_t i = 0; i < n; ++i) {
        const float scaled = x[i] * 255.0F;
        out[i] = static_cast<std::uint8_t>(std::nearbyint(scaled > 0 ? (scaled < 255.0F ? scaled : 255.0F) : 0.0F));
    }
}

void quantise_u16(const float* x, std::size_t n, float max, std::uint16_t* out) {
    for (std::size_t i = 0; i < n; ++i) {
        const float scaled = x[i] * max;
        out[i] = static_cast<std::uint16_t>(std::nearbyint(scaled > 0 ? (scaled < max ? scaled : max) : 0.0F));
    }
}

bool all_finite_f32(const float* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i)
        if (!std::isfinite(x[i])) return false;
    return true;
}

void to_half(const float* x, std::size_t n, Half* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = float_to_half(x[i]);
}

void from_half(const Half* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = half_to_float(x[i]);
}

}  // namespace

void fill_scalar(KernelTable& t) {
    t.name = "scalar";
    t.lanes = kLanes;
    t.tile_multiple = 1;
    t.fma_rounds = fma_rounds;
    t.fma_round_flops = 16;
    t.leaky_relu_f32 = leaky_relu_f32;
    t.winograd_input_f32 = winograd_input<36, float>;
    t.winograd_input_f16 = winograd_input<36, Half>;
    t.winograd_input_f16_i16 = winograd_input_f16_i16;
    t.winograd_input_f32_terms = winograd_input_terms<36, float>;
    t.winograd_input_f16_terms = winograd_input_terms<36, Half>;
    t.to_terms_f32 = to_terms_f32;
    t.product_terms = product_terms;
    t.weights_to_terms = weights_to_terms;
    t.winograd_weights_f32 = winograd_weights_f32;
    t.gemm_f32 = gemm_f32;
    t.product_f32 = product_f32;
    t.gemm_i16 = gemm_i16;
    t.winograd6_input_f32 = winograd_input<64, float>;
    t.winograd6_input_f32_terms = winograd_input_terms<64, float>;
    t.winograd6_input_f16_terms = winograd_input_terms<64, Half>;
    t.winograd6_weights_f32 = winograd6_weights_f32;
    t.winograd6_output_f32 = winograd6_output<float>;
    t.winograd6_output_f16 = winograd6_output<Half>;
    t.winograd_output_f32 = winograd_output<float, float>;
    t.winograd_output_f16 = winograd_output<float, Half>;
    t.winograd_output_i32_f32 = winograd_output<std::int32_t, float>;
    t.winograd_output_i32_f16 = winograd_output<std::int32_t, Half>;
    t.finish_f32 = finish_f32;
    t.conv_f32 = conv<float, float>;
    t.conv_f32_f16 = conv<float, Half>;
    t.conv_f16 = conv<Half, Half>;
    t.conv_f16_f32 = conv<Half, float>;
    t.depthwise_f32 = depthwise_f32;
    t.map_f32 = map_f32;
    t.norm_f32 = norm_f32;
    t.sum_f32_f64 = sum_f32_f64;
    t.softmax_f32 = softmax_f32;
    t.attention_f32 = attention_f32;
    t.transpose_f32 = transpose_f32;
    t.winograd_lines_f32 = winograd_lines_f32;
    t.planes_f32 = planes_f32;
    t.shuffle_line_f32 = shuffle_line_f32;
    t.quantise_u8 = quantise_u8;
    t.quantise_u16 = quantise_u16;
    t.all_finite_f32 = all_finite_f32;
    t.to_half = to_half;
    t.from_half = from_half;
}

}  // namespace enlarge
