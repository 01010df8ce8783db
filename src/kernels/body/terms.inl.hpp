// SPDX-License-Identifier: Apache-2.0
// Numbers as bfloat16 terms (table.hpp), made with AVX-512 and multiplied by AMX: a tile register holds sixteen rows of
// 64 bytes, and one instruction adds the products of two of them, 16x32 by 32x16 numbers, to a third of 16x16 sums.
#include <utility>

namespace enlarge {
namespace {

using Bits = __m512i;

ENLARGE_FORCE_INLINE Bits upper(Bits x) {
    return _mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U)));
}
ENLARGE_FORCE_INLINE Bits bits(vf x) { return _mm512_castps_si512(x); }
ENLARGE_FORCE_INLINE vf number(Bits x) { return _mm512_castsi512_ps(x); }

// The terms of x, each in the upper halves of its lanes; below the last one there may be anything.
template <int kTerms, bool kRounded>
ENLARGE_FORCE_INLINE void terms_of(vf x, Bits (&term)[kTerms]) {
    term[0] = upper(kRounded ? _mm512_add_epi32(bits(x), _mm512_set1_epi32(0x8000)) : bits(x));
    x = x - number(term[0]);
    term[1] = bits(x);
    if constexpr (kTerms == 3) {
        term[1] = upper(term[1]);
        term[2] = bits(x - number(term[1]));
    }
}

// The upper halves of two vectors in turns.
ENLARGE_FORCE_INLINE Bits in_turns(Bits first, Bits second) {
    constexpr int kSecondOr = 0xEA;  // (second and the mask) or first
    return _mm512_ternarylogic_epi32(second, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U)),
                                     _mm512_srli_epi32(first, 16), kSecondOr);
}

// Those of x and y, the halves of a block's channels, as a block of a row.
template <int kTerms>
ENLARGE_FORCE_INLINE void store_terms(vf x, vf y, BFloat* to) {
    Bits first[kTerms], second[kTerms];
    terms_of<kTerms, kTerms == 3>(x, first);
    terms_of<kTerms, kTerms == 3>(y, second);
    ENLARGE_UNROLL for (int t = 0; t < kTerms; ++t)
        _mm512_storeu_si512(to + t * kTermBlock, in_turns(first[t], second[t]));
}

// V of kTermBlock channels of a block; kWhole: there are as many, else half.
template <int kTerms, bool kWhole, class In>
ENLARGE_NOINLINE void terms_block(const Window<In>& in, std::ptrdiff_t at, BFloat* v, std::ptrdiff_t pos_stride) {
    vf first[6][6], second[6][6];
    transform_columns(in, at, first);
    if constexpr (kWhole) transform_columns(in, at + kWidth, second);
    ENLARGE_UNROLL for (int i = 0; i < 6; ++i) {
        vf x[6], y[6];
        transform_input(first[i], x);
        if constexpr (kWhole) transform_input(second[i], y);
        ENLARGE_UNROLL for (int j = 0; j < 6; ++j)
            store_terms<kTerms>(x[j], kWhole ? y[j] : set1(0.0F), v + (i * 6 + j) * pos_stride);
    }
}

// The same of F(6x6,3x3): through memory, as in winograd6_input.
template <int kTerms, bool kWhole, class In>
ENLARGE_NOINLINE void terms_block6(const Window<In>& in, std::ptrdiff_t at, BFloat* v, std::ptrdiff_t pos_stride) {
    constexpr int kHalves = kWhole ? 2 : 1;
    alignas(64) float t[8][8][kHalves][kWidth];
#pragma GCC unroll 1
    for (int j = 0; j < 8; ++j)
        ENLARGE_UNROLL for (int h = 0; h < kHalves; ++h) {
            vf d[8], o[8];
            ENLARGE_UNROLL for (int i = 0; i < 8; ++i) d[i] = load(in.rows[i] + in.column[j] + at + h * kWidth);
            transform_input6(d, o);
            ENLARGE_UNROLL for (int i = 0; i < 8; ++i) store(t[i][j][h], o[i]);
        }
#pragma GCC unroll 1
    for (int i = 0; i < 8; ++i, v += 8 * pos_stride) {
        vf d[2][8], o[2][8];
        ENLARGE_UNROLL for (int h = 0; h < kHalves; ++h) {
            ENLARGE_UNROLL for (int j = 0; j < 8; ++j) d[h][j] = load(t[i][j][h]);
            transform_input6(d[h], o[h]);
        }
        ENLARGE_UNROLL for (int j = 0; j < 8; ++j)
            store_terms<kTerms>(o[0][j], kWhole ? o[1][j] : set1(0.0F), v + j * pos_stride);
    }
}

template <int kBlock, int kTerms, bool kWhole, class In>
ENLARGE_FORCE_INLINE void terms_block_of(const Window<In>& in, std::ptrdiff_t at, BFloat* v,
                                         std::ptrdiff_t pos_stride) {
    if constexpr (kBlock == 6)
        terms_block6<kTerms, kWhole>(in, at, v, pos_stride);
    else
        terms_block<kTerms, kWhole>(in, at, v, pos_stride);
}

template <int kBlock, int kTerms, class In>
void winograd_input_terms_of(const Window<In>& in, int blocks, int channels, BFloat* v, std::ptrdiff_t pos_stride) {
    for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < channels; c += kTermBlock, v += kTerms * kTermBlock) {
            if (channels - c >= kTermBlock)
                terms_block_of<kBlock, kTerms, true>(in, b * in.step + c, v, pos_stride);
            else
                terms_block_of<kBlock, kTerms, false>(in, b * in.step + c, v, pos_stride);
        }
}

template <int kBlock, class In>
void winograd_input_terms(const Window<In>& in, int blocks, int channels, int terms, BFloat* v,
                          std::ptrdiff_t pos_stride) {
    if (terms == 2) return winograd_input_terms_of<kBlock, 2>(in, blocks, channels, v, pos_stride);
    winograd_input_terms_of<kBlock, 3>(in, blocks, channels, v, pos_stride);
}

template <int kTerms>
void to_terms_of(const float* x, std::ptrdiff_t stride, int rows, int channels, BFloat* out) {
    for (int r = 0; r < rows; ++r, x += stride)
        for (int c = 0; c < channels; c += kTermBlock, out += kTerms * kTermBlock)
            store_terms<kTerms>(load(x + c), channels - c >= kTermBlock ? load(x + c + kWidth) : set1(0.0F), out);
}

void to_terms(const float* x, std::ptrdiff_t stride, int rows, int channels, int terms, BFloat* out) {
    if (terms == 2) return to_terms_of<2>(x, stride, rows, channels, out);
    to_terms_of<3>(x, stride, rows, channels, out);
}

// The weights of two places are pairs.
template <int kTerms>
void weights_to_terms_of(const float* w, std::ptrdiff_t stride, int first, int count, int group, BFloat* to) {
    for (int i = 0; i < count; i += 2, w += 2 * stride) {
        const int c = first + i;
        BFloat* const row =
            to + (std::ptrdiff_t{c / kTermBlock * kTerms} * group * (kTermBlock / 2) + c % kTermBlock / 2) * 2 * kLanes;
        for (int g = 0; g < group; ++g) {
            Bits even[kTerms], odd[kTerms];
            terms_of<kTerms, true>(load(w + g * kLanes), even);
            terms_of<kTerms, true>(load(w + stride + g * kLanes), odd);
            ENLARGE_UNROLL for (int t = 0; t < kTerms; ++t) _mm512_storeu_si512(
                row + (std::ptrdiff_t{t} * group + g) * kTermBlock * kLanes, in_turns(even[t], odd[t]));
        }
    }
}

void weights_to_terms(const float* w, std::ptrdiff_t stride, int first, int count, int group, int terms, BFloat* to) {
    if (terms == 2) return weights_to_terms_of<2>(w, stride, first, count, group, to);
    weights_to_terms_of<3>(w, stride, first, count, group, to);
}

#ifndef ENLARGE_EMULATED
ENLARGE_FORCE_INLINE void tile_configure(const void* config) {
    asm volatile("ldtilecfg %0" ::"m"(*static_cast<const char(*)[64]>(config)));
}
ENLARGE_FORCE_INLINE void tile_release() { asm volatile("tilerelease"); }
template <int kTile>
ENLARGE_FORCE_INLINE void tile_zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
template <int kTile>
ENLARGE_FORCE_INLINE void tile_load(const void* from, std::ptrdiff_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
ENLARGE_FORCE_INLINE void tile_store(void* to, std::ptrdiff_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kSum, int kA, int kB>
ENLARGE_FORCE_INLINE void tile_dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
}
#endif

// All eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
    std::uint8_t palette = 1, start_row = 0, none[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Calls body.operator()<0>() ... <kCount - 1>().
template <int kCount, class Body>
ENLARGE_FORCE_INLINE void for_constants(const Body& body) {
    [&]<int... kI>(std::integer_sequence<int, kI...>) ENLARGE_INLINE { (body.template operator()<kI>(), ...); }
    (std::make_integer_sequence<int, kCount>());
}

// kDown times sixteen rows by kAcross blocks of results: sums in the first tiles, rows' terms and weights' in those
// behind.
template <int kTerms, int kDown, int kAcross>
ENLARGE_NOINLINE void term_tile(const TermProduct& p, const BFloat* a, const BFloat* w, float* m) {
    constexpr int kRows = kDown * kAcross, kWeights = kRows + kDown;
    static_assert(kWeights + kAcross <= 8);
    for_constants<kRows>([]<int kI>() ENLARGE_INLINE { tile_zero<kI>(); });
    const std::ptrdiff_t stride = p.a_stride * std::ptrdiff_t{sizeof(BFloat)},
                         weights_step = std::ptrdiff_t{kAcross * kTermBlock * kLanes};
    const auto rows = [&](int term) ENLARGE_INLINE {
        for_constants<kDown>([&]<int kI>() ENLARGE_INLINE {
            tile_load<kRows + kI>(a + term * kTermBlock + kI * kTermRows * p.a_stride, stride);
        });
    };
    const auto weights = [&](int term) ENLARGE_INLINE {
        for_constants<kAcross>([&]<int kI>() ENLARGE_INLINE {
            tile_load<kWeights + kI>(w + term * weights_step + kI * kTermBlock * kLanes, 4 * kLanes);
        });
    };
    const auto multiply = [&]() ENLARGE_INLINE {
        for_constants<kRows>([&]<int kI>()
                                 ENLARGE_INLINE { tile_dot<kI, kRows + kI / kAcross, kWeights + kI % kAcross>(); });
    };
#pragma GCC unroll 1
    for (int c = 0; c < p.channels; c += kTermBlock) {  // small products first, and most steps load one side alone
        rows(0);
        if constexpr (kTerms == 3) {
            weights(2);
            multiply();
        }
        weights(1);
        multiply();
        rows(1);
        if constexpr (kTerms == 3) {
            multiply();
            weights(0);
            multiply();
            rows(2);
        } else {
            weights(0);
        }
        multiply();
        rows(0);
        multiply();
        a += kTerms * kTermBlock;
        w += kTerms * weights_step;
    }
    for_constants<kRows>([&]<int kI>() ENLARGE_INLINE {
        tile_store<kI>(m + kI / kAcross * kTermRows * p.m_stride + kI % kAcross * kLanes,
                       p.m_stride * std::ptrdiff_t{sizeof(float)});
    });
}

// One position of one group.
template <int kTerms, int kDown, int kAcross>
ENLARGE_FORCE_INLINE void term_rows(const TermProduct& p, const BFloat* a, const BFloat* w, float* m) {
    constexpr int kStep = kDown * kTermRows;
    for (int r = 0; r < p.rows; r += kStep, a += kStep * p.a_stride, m += kStep * p.m_stride) {
        if (kDown > 1 && p.rows - r <= kTermRows)
            term_tile<kTerms, 1, kAcross>(p, a, w, m);
        else
            term_tile<kTerms, kDown, kAcross>(p, a, w, m);
    }
}

template <int kTerms, int kDown, int kAcross>
void term_positions(const TermProduct& p) {
    for (std::ptrdiff_t q = 0; q < p.positions; ++q)
        for (std::ptrdiff_t g = 0; g < p.groups; ++g)
            term_rows<kTerms, kDown, kAcross>(p, p.a + q * p.a_position, p.w + q * p.w_position + g * p.w_group,
                                              p.m + q * p.m_position + g * kAcross * kLanes);
}

// The latency of a multiplication is that of three more: at least three sums beside each other.
template <int kTerms>
void product_of_terms(const TermProduct& p) {
    if (p.group == 1) return term_positions<kTerms, 2, 1>(p);
    if (p.group == 2) return term_positions<kTerms, 2, 2>(p);
    term_positions<kTerms, 1, 3>(p);
}

void product_terms(const TermProduct& p) {
    static constexpr TileConfig kConfig;
    tile_configure(&kConfig);
    if (p.terms == 2)
        product_of_terms<2>(p);
    else
        product_of_terms<3>(p);
    tile_release();
}

void fill_terms(KernelTable& t) {
    t.fast_terms = true;
    t.winograd_input_f32_terms = winograd_input_terms<4, float>;
    t.winograd_input_f16_terms = winograd_input_terms<4, Half>;
    t.winograd6_input_f32_terms = winograd_input_terms<6, float>;
    t.winograd6_input_f16_terms = winograd_input_terms<6, Half>;
    t.to_terms_f32 = to_terms;
    t.product_terms = product_terms;
    t.weights_to_terms = weights_to_terms;
}

}  // namespace
}  // namespace enlarge
