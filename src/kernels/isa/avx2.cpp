// SPDX-License-Identifier: Apache-2.0
// AVX2, FMA and F16C: eight floats, sixteen registers. Everything but fill_avx2 is local to this file, so that no code
// compiled with these flags can be shared with the baseline.
#include <immintrin.h>

#include "kernels/body/hints.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

using vf = float __attribute__((vector_size(32), may_alias));
constexpr int kWidth = 8;     // floats in a vector
constexpr int kLanes = 8;        // channels in a channel block
constexpr int kBlockVectors = 1;  // vectors in a channel block
// How many tiles run beside a number of weight vectors: 12 accumulators, the weights and one broadcast fill 16 registers.
template <int kVectors>
constexpr int kPixels = kVectors == 1 ? 12 : kVectors == 2 ? 6 : 4;
constexpr int kTilesOfPointer = 3;  // more pointers would spill

ENLARGE_FORCE_INLINE vf load(const float* p) { return _mm256_loadu_ps(p); }
ENLARGE_FORCE_INLINE vf load(const Half* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
ENLARGE_FORCE_INLINE vf load(const std::int32_t* p) {
    return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
ENLARGE_FORCE_INLINE void store(float* p, vf x) { _mm256_storeu_ps(p, x); }
ENLARGE_FORCE_INLINE void store(Half* p, vf x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
using Peak = __m256i;  // largest magnitudes, as unsigned 16 bits
ENLARGE_FORCE_INLINE Peak no_peak() { return _mm256_setzero_si256(); }
ENLARGE_FORCE_INLINE void store_pair(std::int16_t* p, vf x, std::int16_t* q, vf y, Peak& peak) {
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_cvtps_epi32(x), _mm256_cvtps_epi32(y)), 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(both));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm256_extracti128_si256(both, 1));
    peak = _mm256_max_epu16(peak, _mm256_abs_epi16(both));  // of -32768, which NaN becomes, it is 32768
}
ENLARGE_FORCE_INLINE bool within_range(Peak peak) {
    const __m256i beyond = _mm256_subs_epu16(peak, _mm256_set1_epi16(32766));
    return _mm256_testz_si256(beyond, beyond);
}
ENLARGE_FORCE_INLINE vf set1(float x) { return _mm256_set1_ps(x); }
ENLARGE_FORCE_INLINE vf broadcast(const float* p) { return _mm256_broadcast_ss(p); }
ENLARGE_FORCE_INLINE vf broadcast(const Half* p) {
    return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(*p)));
}
ENLARGE_FORCE_INLINE vf fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
// sum += a * b. As assembly, because g++ 12 turns the intrinsic into forms that overwrite a or b and spills in the loop.
ENLARGE_FORCE_INLINE void add_product(vf& sum, vf a, vf b) { asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b)); }
// Makes the compiler believe that x is needed, and may have changed.
ENLARGE_FORCE_INLINE void keep(vf& x) { asm volatile("" : "+x"(x)); }
constexpr int kPeakChains = 12;
ENLARGE_FORCE_INLINE vf prelu(vf x, vf slope) {  // by sign bit: the same, as slope * -0 is a zero
    return _mm256_blendv_ps(x, x * slope, x);
}
ENLARGE_FORCE_INLINE vf min(vf a, vf b) { return _mm256_min_ps(a, b); }
ENLARGE_FORCE_INLINE vf max(vf a, vf b) { return _mm256_max_ps(a, b); }
ENLARGE_FORCE_INLINE vf round_even(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
ENLARGE_FORCE_INLINE vf times_power_of_two(vf x, vf n) {
    return x * _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
// 2^(n - 127), n the lowest bits of x.
ENLARGE_FORCE_INLINE vf low_bits_as_exponent(vf x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 23));
}
ENLARGE_FORCE_INLINE vf keep_nan(vf x, vf y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q)); }
ENLARGE_FORCE_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }


using WideInts = __m256i;
// Beside the accumulators there must be room for the weights, a broadcast and a product.
template <int kVectors>
constexpr int kIntPixels = kVectors == 1 ? 12 : kVectors == 2 ? 6 : 3;
ENLARGE_FORCE_INLINE WideInts load_ints(const std::int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
ENLARGE_FORCE_INLINE void store(std::int32_t* p, WideInts x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
ENLARGE_FORCE_INLINE WideInts zero_ints() { return _mm256_setzero_si256(); }
ENLARGE_FORCE_INLINE WideInts broadcast_pair(const std::int16_t* p) {
    return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(p)));
}
// As assembly: from intrinsics g++ 12 makes code that spills the accumulators (46 % of peak instead of 86 %).
ENLARGE_FORCE_INLINE void dot(WideInts& acc, WideInts a, WideInts w) {
    WideInts product;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(acc), "=&x"(product) : "x"(a), "x"(w));
}

#include "kernels/body/pixels.inl.hpp"
#include "kernels/body/winograd.inl.hpp"
#include "kernels/body/winograd6.inl.hpp"
#include "kernels/body/products.inl.hpp"
#include "kernels/body/integers.inl.hpp"
#include "kernels/body/blocks.inl.hpp"
#include "kernels/body/halves.inl.hpp"
#include "kernels/body/tensors.inl.hpp"
#include "kernels/body/attention.inl.hpp"
#include "kernels/body/planes.inl.hpp"
#include "kernels/body/fill.inl.hpp"

ENLARGE_FORCE_INLINE __m256i to_int(__m256 x, __m256 max) {  // NaN gives 0
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(_mm256_mul_ps(x, max), _mm256_setzero_ps()), max));
}

void quantise_u8(const float* x, std::size_t n, std::uint8_t* out) {
    in_blocks<16>(x, n, out, [](const float* from, std::uint8_t* to) ENLARGE_INLINE {
        const __m256 max = _mm256_set1_ps(255.0F);
        const __m256i words = _mm256_permute4x64_epi64(
            _mm256_packs_epi32(to_int(_mm256_loadu_ps(from), max), to_int(_mm256_loadu_ps(from + 8), max)), 0xD8);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                         _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    });
}

void quantise_u16(const float* x, std::size_t n, float max, std::uint16_t* out) {
    in_blocks<8>(x, n, out, [max](const float* from, std::uint16_t* to) ENLARGE_INLINE {
        const __m256i q = to_int(_mm256_loadu_ps(from), _mm256_set1_ps(max));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                         _mm_packus_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1)));
    });
}

}  // namespace

void fill_avx2(KernelTable& t) {
    fill_bodies(t);
    t.name = "avx2";
    t.tile_multiple = 12;
    t.fast_i16 = true;
    t.fast_blocks6 = true;
    t.quantise_u8 = quantise_u8;
    t.quantise_u16 = quantise_u16;
    t.to_half = to_half;
    t.from_half = from_half;
}

}  // namespace enlarge
