// SPDX-License-Identifier: Apache-2.0
// The kernels: what each does. scalar.cpp is the truth; isa/*.cpp override what an instruction set does better.
//
// A feature row holds pixels channel-last: channel c of pixel x is row[x * stride + c]. Channel counts handed to kernels
// are multiples of KernelTable::lanes ("a channel block") unless said otherwise; a group is 1 to 3 blocks of output channels
// computed together. Strides count elements, not bytes. Kernels allocate nothing, fail never, and write nothing but what
// their comment names. Any alignment will do; 64 bytes is fastest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace enlarge {

enum class Isa;

using Half = std::uint16_t;    // IEEE binary16, as bits
using BFloat = std::uint16_t;  // bfloat16, as bits

inline constexpr int kMaxGroup = 3;
inline constexpr int kMostTapRows = 31;
inline constexpr float kLargestUnit = 65536;  // 4^8: see winograd_input_f16_i16

enum class Activation : int {
    prelu,  // y < 0 ? slope[c] * y : y   (slope 1: nothing, 0: ReLU)
    silu,   // y / (1 + exp(-y))
    gate,   // (y + r0) * (1 / (1 + exp(-y)) - 0.5), r0 the first residual
};

// From a sum to a stored feature: y = sum + bias[c], then `finish`, then for each residual i (none for gate): y = keep[i] * y + mix[i] * residual[i].
struct Epilogue {
    const float* bias = nullptr;
    const float* slope = nullptr;  // prelu only
    const float* scale = nullptr;  // integer sums only: that of position p counts times scale[p * scale_stride + c]
    std::ptrdiff_t scale_stride = 0;
    const float* unit = nullptr;   // integer sums only: those of block b count times unit[b], a power of two or NaN
    Activation activation = Activation::prelu;
    int residuals = 0;             // 0..2; ignored by gate, which has one
    float keep[2] = {1, 1};
    float mix[2] = {1, 1};
};

// Rows and columns that a Winograd block makes and reads, at most: those of F(6x6,3x3).
inline constexpr int kMostBlockRows = 6;
inline constexpr int kMostWindowRows = kMostBlockRows + 2;

// Where results go: up to as many rows of pixels as a block has. Only `height` rows and `width` pixels are written.
template <class Out>
struct Target {
    Out* out[kMostBlockRows] = {};
    std::ptrdiff_t stride = 0;     // from pixel to pixel
    const Out* residual[2][kMostBlockRows] = {};
    std::ptrdiff_t residual_stride[2] = {};
    int width = 0;
    int height = 0;
};

// Six rows of input for Winograd blocks, eight for F(6x6,3x3): block b reads rows[i][b * step + column[j]], where i and
// j are less than that.
template <class In>
struct Window {
    const In* rows[kMostWindowRows] = {};
    std::ptrdiff_t column[kMostWindowRows] = {};
    std::ptrdiff_t step = 0;
};

// Input of a direct convolution: output pixel p sums rows[y][p * step + r * run_step + k] over y < height, r < runs,
// k < length, in this order; weights come in the same order, a group of output channels for each.
template <class In>
struct Taps {
    const In* rows[kMostTapRows] = {};
    std::ptrdiff_t step = 0;
    std::ptrdiff_t run_step = 0;
    int height = 0;
    int runs = 0;
    int length = 0;
};

// Input of a product whose vectors are blocks beside each other: tap t reads channel c of block b at
// tap[t][c * stride + b].
struct Planes {
    const float* const* tap = nullptr;
    int taps = 0;
    std::ptrdiff_t stride = 0;
    int channels = 0;
};

// A number as a sum of bfloat16 terms: x rounded (halves away from zero); what is left of x, cut off; and what is left
// then, so that three hold a float exactly. The first of two terms in a row is cut off, too. Terms of less than 2^-126
// may count as nothing in products; of infinities, of NaN and of what rounds to more than a float they add up to NaN.
//
// Rows of terms: a block of channels has its two halves in turns, so that place p of a row is channel term_channel(p).
// Term t of place p is row[(p / kTermBlock * terms + t) * kTermBlock + p % kTermBlock]; there are zeros where channels
// end before the block does.
inline constexpr int kTermBlock = 32;
inline constexpr int kMostTerms = 3;
constexpr int term_channel(int place) {
    const int in_block = place % kTermBlock;
    return place - in_block + in_block / 2 + in_block % 2 * (kTermBlock / 2);
}
// Rows are multiplied so many at a time: beyond the last one, up to a multiple of this, rows are read and results
// written.
inline constexpr int kTermRows = 16;
inline std::ptrdiff_t term_row(int channels, int terms) {
    return std::ptrdiff_t{(channels + kTermBlock - 1) / kTermBlock} * kTermBlock * terms;
}

// m[q * m_position + r * m_stride + n] = sum of x * w over the channels, n < group * lanes, for each position q and row
// r: of the products of x's terms i and w's terms j those of i + j < terms. Weights: those of weights_to_terms. Results
// of more groups come beside each other. Positions come in order: m of one may lie where rows of the one before were.
struct TermProduct {
    const BFloat* a = nullptr;
    std::ptrdiff_t a_stride = 0, a_position = 0;
    const BFloat* w = nullptr;
    std::ptrdiff_t w_position = 0;
    float* m = nullptr;
    std::ptrdiff_t m_stride = 0, m_position = 0;
    int positions = 1;
    int rows = 0;
    int channels = 0;  // a multiple of kTermBlock
    int terms = 0;     // 2 or 3
    int group = 0;
    int groups = 1;
    std::ptrdiff_t w_group = 0;  // from group to group
};

// Number by number.
enum class Map : int {
    gelu,       // x / 2 * (1 + erf(x / sqrt(2)))
    gelu_tanh,  // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
    mish,       // x * tanh(log(1 + exp(x)))
    silu,       // x / (1 + exp(-x))
    sigmoid,    // 1 / (1 + exp(-x))
    tanh,
    exp,        // of at most 87
};

// Of a pixel's channels x, by their number n.
enum class Norm : int {
    layer,  // (x - mean) / sqrt(variance + epsilon)
    rms,    // x / sqrt(mean of squares + epsilon)
    l2,     // x / max(sqrt(sum of squares), epsilon)
};

struct KernelTable {
    const char* name = "";
    int lanes = 8;        // channels in a channel block
    int tile_multiple = 6;  // gemm_* are fastest when the number of tiles is a multiple of this
    bool fast_i16 = false;  // integer products are faster than float ones
    bool fast_blocks6 = false;  // F(6x6,3x3) is faster than F(4x4,3x3), but in integers
    // Products of three bfloat16 terms are; without it, kernels of terms are the plain loops', of 8 lanes.
    bool fast_terms = false;

    // As many fused multiply-adds as this set can do, `rounds` times fma_round_flops operations: for measuring peaks.
    void (*fma_rounds)(std::size_t rounds) = nullptr;
    double fma_round_flops = 0;

    // x[i] = x[i] < 0 ? slope * x[i] : x[i]. NaN stays NaN.
    void (*leaky_relu_f32)(float* x, std::size_t n, float slope) = nullptr;

    // V = B^T d B of F(4x4,3x3) for `blocks` blocks: v[(i * 6 + j) * pos_stride + b * channels + c].
    void (*winograd_input_f32)(const Window<float>& in, int blocks, int channels, float* v, std::ptrdiff_t pos_stride) = nullptr;
    void (*winograd_input_f16)(const Window<Half>& in, int blocks, int channels, float* v, std::ptrdiff_t pos_stride) = nullptr;
    // The same in 16 bits: v = V * scale[p * channels + c] / unit[b] at position p, rounded half to even. unit[b] is the
    // least of 1, 4, 16, ... 4^8 with which all of block b stays within +-32766; NaN (and v anything) if none does.
    void (*winograd_input_f16_i16)(const Window<Half>& in, int blocks, int channels, const float* scale, std::int16_t* v,
                                   std::ptrdiff_t pos_stride, float* unit) = nullptr;

    // The same as rows of terms: those of block b at v[(i * 6 + j) * pos_stride + b * term_row(channels, terms)].
    void (*winograd_input_f32_terms)(const Window<float>& in, int blocks, int channels, int terms, BFloat* v,
                                     std::ptrdiff_t pos_stride) = nullptr;
    void (*winograd_input_f16_terms)(const Window<Half>& in, int blocks, int channels, int terms, BFloat* v,
                                     std::ptrdiff_t pos_stride) = nullptr;
    // Rows of numbers, `stride` apart, as rows of terms beside each other.
    void (*to_terms_f32)(const float* x, std::ptrdiff_t stride, int rows, int channels, int terms,
                         BFloat* out) = nullptr;

    // Weights of products: u[p * pos_stride + n], n < group * lanes, is position p of G g G^T (winograd.hpp) of the
    // nine numbers g at taps[n], computed in double precision and rounded once.
    void (*winograd_weights_f32)(const float* const* taps, int group, float* u, std::ptrdiff_t pos_stride) = nullptr;

    // Of F(6x6,3x3): as winograd_input_f32, winograd_weights_f32 and winograd_output_f32 with 8 for 6, 64 positions for
    // 36 and blocks of 6 pixels. Roundings are twice as large (docs/numerics.md).
    void (*winograd6_input_f32)(const Window<float>& in, int blocks, int channels, float* v,
                                std::ptrdiff_t pos_stride) = nullptr;
    void (*winograd6_weights_f32)(const float* const* taps, int group, float* u, std::ptrdiff_t pos_stride) = nullptr;
    void (*winograd6_output_f32)(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                                 const Target<float>& to) = nullptr;
    void (*winograd6_output_f16)(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                                 const Target<Half>& to) = nullptr;
    // As winograd_input_f32_terms and winograd_input_f16_terms.
    void (*winograd6_input_f32_terms)(const Window<float>& in, int blocks, int channels, int terms, BFloat* v,
                                      std::ptrdiff_t pos_stride) = nullptr;
    void (*winograd6_input_f16_terms)(const Window<Half>& in, int blocks, int channels, int terms, BFloat* v,
                                      std::ptrdiff_t pos_stride) = nullptr;

    // m[t * group * lanes + n] = sum over i < k of a[t * k + i] * w[i * group * lanes + n], i rising, fused.
    void (*gemm_f32)(const float* a, int tiles, int k, const float* w, int group, float* m) = nullptr;
    // The same of rows that lie `stride` and `m_stride` apart.
    void (*product_f32)(const float* a, std::ptrdiff_t stride, int rows, int k, const float* w, int group, float* m,
                        std::ptrdiff_t m_stride) = nullptr;
    // Sums in floats, the channels in order.
    void (*product_terms)(const TermProduct& p) = nullptr;
    // Weights of places first ... first + count, both even, as terms: w[i * stride + n], i < count, n < group *
    // lanes. Term t of place p's weight for n is to[(((p / kTermBlock * terms + t) * group + n / lanes) * kTermBlock
    // / 2 + p % kTermBlock / 2) * 2 * lanes + n % lanes * 2 + p % 2].
    void (*weights_to_terms)(const float* w, std::ptrdiff_t stride, int first, int count, int group, int terms,
                             BFloat* to) = nullptr;
    // As gemm_f32 in 32-bit integers; k is even and weights come in pairs: w[(i / 2 * group * lanes + n) * 2 + i % 2].
    // The caller's weights exclude overflow.
    void (*gemm_i16)(const std::int16_t* a, int tiles, int k, const std::int16_t* w, int group, std::int32_t* m) = nullptr;

    // y = A^T M A for one group of `blocks` blocks beside each other, m[(i * 6 + j) * pos_stride + b * group * lanes + n],
    // then the epilogue; block b goes to pixels 4b..4b+3 of the target. The group may have more than three blocks here.
    void (*winograd_output_f32)(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                                const Target<float>& to) = nullptr;
    void (*winograd_output_f16)(const float* m, std::ptrdiff_t pos_stride, int blocks, int group, const Epilogue& e,
                                const Target<Half>& to) = nullptr;
    // The epilogue alone, of sums[p * group * lanes + n]; to row 0 of the target.
    void (*finish_f32)(const float* sums, int group, const Epilogue& e, const Target<float>& to) = nullptr;
    // winograd_output of integer sums, each times its scale and its block's unit first.
    void (*winograd_output_i32_f32)(const std::int32_t* m, std::ptrdiff_t pos_stride, int blocks, int group,
                                    const Epilogue& e, const Target<float>& to) = nullptr;
    void (*winograd_output_i32_f16)(const std::int32_t* m, std::ptrdiff_t pos_stride, int blocks, int group,
                                    const Epilogue& e, const Target<Half>& to) = nullptr;

    // A direct convolution of one group into to.out[0], to.width pixels.
    void (*conv_f32)(const Taps<float>& in, const float* w, int group, const Epilogue& e, const Target<float>& to) = nullptr;
    void (*conv_f32_f16)(const Taps<float>& in, const float* w, int group, const Epilogue& e, const Target<Half>& to) = nullptr;
    void (*conv_f16)(const Taps<Half>& in, const float* w, int group, const Epilogue& e, const Target<Half>& to) = nullptr;
    void (*conv_f16_f32)(const Taps<Half>& in, const float* w, int group, const Epilogue& e, const Target<float>& to) = nullptr;

    // A convolution of each channel by itself: out[p * stride + c] = bias[c] + sum of taps, whose length is the number of
    // channels, times w[tap * length + c].
    void (*depthwise_f32)(const Taps<float>& in, const float* w, const float* bias, int pixels, float* out,
                          std::ptrdiff_t stride) = nullptr;
    // y[i] = f(x[i]), within 1e-6 of max(1, |f|). y may be x.
    void (*map_f32)(Map f, const float* x, std::size_t n, float* y) = nullptr;
    // y[p * y_stride + c] = norm(x[p * stride + c]) * scale[c] + shift[c]. `channels` need be no multiple of anything;
    // scale and shift have zeros from there to the next multiple of lanes, and as much is written.
    void (*norm_f32)(Norm norm, const float* x, std::ptrdiff_t stride, int pixels, int channels, float epsilon,
                     const float* scale, const float* shift, float* y, std::ptrdiff_t y_stride) = nullptr;
    // sums[c] += x[p * stride + c], or with `mean` (x[p * stride + c] - mean[c])^2, over the pixels in order and in
    // double precision, c < channels, a multiple of lanes.
    void (*sum_f32_f64)(const float* x, std::ptrdiff_t stride, int pixels, int channels, const double* mean,
                        double* sums) = nullptr;
    // Rows of n numbers, n a multiple of lanes, in place: with y = scale * x + bias, exp(y - largest) / sum of those.
    void (*softmax_f32)(float* x, int rows, int n, std::ptrdiff_t stride, float scale, const float* bias,
                        std::ptrdiff_t bias_stride) = nullptr;

    // Attention of 2 * lanes queries, beside each other: q[c * 2 * lanes + i] is channel c of query i, out likewise.
    // Key j is the `size` numbers at keys + j * stride, its value those at values + j * stride, 0 <= j < count; with
    // s[j, i] = bias[j][offset + i] + sum of q times key over the channels, query i takes of value j the share
    // exp(s[j, i] - largest of query i) / sum of those. `scores` is memory for count * 2 * lanes numbers.
    void (*attention_f32)(const float* q, const float* keys, const float* values, std::ptrdiff_t stride, int count,
                          int size, const float* const* bias, std::ptrdiff_t offset, float* scores,
                          float* out) = nullptr;

    // to[c][r] = from[r][c] * scale, r < rows, c < columns.
    void (*transpose_f32)(const float* const* from, int rows, int columns, float scale, float* const* to) = nullptr;
    // B^T of F(4,3): to[j][i] of from[0][i] ... from[5][i], i < n, a multiple of lanes.
    void (*winograd_lines_f32)(const float* const* from, std::size_t n, float* const* to) = nullptr;
    // m[o * m_stride + b] = (add ? itself : 0) + sum of u[(o * taps + t) * channels + c] * tap[t][c * stride + b] over
    // taps and channels, o < outs, b < blocks; outs is a multiple of lanes, and of m and taps the blocks up to such a
    // multiple are read and written. Each sum is that of its block alone.
    void (*planes_f32)(const Planes& in, int blocks, const float* u, int outs, bool add, float* m,
                       std::ptrdiff_t m_stride) = nullptr;

    // One line of a depth-to-space: line[p * run + i] = x[p * stride + i] + (base ? base[p * 4 + i % channels] : 0),
    // i < run = factor * channels, channels 1 to 4.
    void (*shuffle_line_f32)(const float* x, std::ptrdiff_t stride, int pixels, int run, int channels, const float* base,
                             float* line) = nullptr;
    // out[i] = x[i] * max, rounded half to even, clamped to 0..max. NaN gives 0.
    void (*quantise_u8)(const float* x, std::size_t n, std::uint8_t* out) = nullptr;  // max 255
    void (*quantise_u16)(const float* x, std::size_t n, float max, std::uint16_t* out) = nullptr;
    // Whether no element is NaN or infinite.
    bool (*all_finite_f32)(const float* x, std::size_t n) = nullptr;
    void (*to_half)(const float* x, std::size_t n, Half* out) = nullptr;    // round to nearest even
    void (*from_half)(const Half* x, std::size_t n, float* out) = nullptr;  // exact
};

// The table for an instruction set: scalar, then everything up to `isa` of its family filled over it.
const KernelTable& kernels(Isa isa);

void fill_scalar(KernelTable& table);
void fill_avx2(KernelTable& table);
void fill_avx512(KernelTable& table);
void fill_avx512_vnni(KernelTable& table);
void fill_amx(KernelTable& table);
void fill_neon(KernelTable& table);
void fill_sve256(KernelTable& table);
void fill_sve512(KernelTable& table);

}  // namespace enlarge
