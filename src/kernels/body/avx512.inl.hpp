// SPDX-License-Identifier: Apache-2.0
// AVX-512 F, BW, DQ and VL: sixteen floats, thirty-two registers. isa/avx512.cpp and isa/avx512_vnni.cpp compile it, the
// latter with ENLARGE_VNNI, where the 16-bit products and their sums are one instruction.
//
// With ENLARGE_EMULATED the includer has given the intrinsics in other instructions, and what is assembly is an intrinsic.
#ifndef ENLARGE_EMULATED
#include <immintrin.h>
#endif

#include "kernels/body/hints.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

using vf = float __attribute__((vector_size(64), may_alias));
constexpr int kWidth = 16;    // floats in a vector
constexpr int kLanes = 16;        // channels in a channel block
constexpr int kBlockVectors = 1;  // vectors in a channel block
#ifdef ENLARGE_EMULATED
template <int kVectors>
constexpr int kPixels = 4;  // what takes seconds to compile emulated, not minutes
#else
// How many tiles run beside a number of weight vectors: at most 28 accumulators, the weights and a broadcast.
template <int kVectors>
constexpr int kPixels = kVectors == 1 ? 14 : kVectors == 2 ? 14 : 9;
#endif
constexpr int kTilesOfPointer = 3;  // more pointers would spill

ENLARGE_FORCE_INLINE vf load(const float* p) { return _mm512_loadu_ps(p); }
ENLARGE_FORCE_INLINE vf load(const Half* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
ENLARGE_FORCE_INLINE vf load(const std::int32_t* p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
ENLARGE_FORCE_INLINE void store(float* p, vf x) { _mm512_storeu_ps(p, x); }
ENLARGE_FORCE_INLINE void store(Half* p, vf x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
using Peak = __m512i;  // largest magnitudes, as unsigned 16 bits
ENLARGE_FORCE_INLINE Peak no_peak() { return _mm512_setzero_si512(); }
ENLARGE_FORCE_INLINE void store_pair(std::int16_t* p, vf x, std::int16_t* q, vf y, Peak& peak) {
    // Quarters of x and y in turns, of which those of x come first again.
    const __m512i mixed = _mm512_packs_epi32(_mm512_cvtps_epi32(x), _mm512_cvtps_epi32(y));
    const __m512i both = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), mixed);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_castsi512_si256(both));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), _mm512_extracti64x4_epi64(both, 1));
    peak = _mm512_max_epu16(peak, _mm512_abs_epi16(mixed));  // of -32768, which NaN becomes, it is 32768
}
ENLARGE_FORCE_INLINE bool within_range(Peak peak) {
    const __m256i most = _mm256_max_epu16(_mm512_castsi512_si256(peak), _mm512_extracti64x4_epi64(peak, 1));
    const __m256i beyond = _mm256_subs_epu16(most, _mm256_set1_epi16(32766));
    return _mm256_testz_si256(beyond, beyond);
}
ENLARGE_FORCE_INLINE vf set1(float x) { return _mm512_set1_ps(x); }
ENLARGE_FORCE_INLINE vf broadcast(const float* p) { return _mm512_set1_ps(*p); }
ENLARGE_FORCE_INLINE vf broadcast(const Half* p) { return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(*p))); }
ENLARGE_FORCE_INLINE vf fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
#ifdef ENLARGE_EMULATED
ENLARGE_FORCE_INLINE void add_product(vf& sum, vf a, vf b) { sum = fma(a, b, sum); }
ENLARGE_FORCE_INLINE void keep(vf& x) { asm volatile("" : "+m"(x)); }
#else
// sum += a * b. As assembly, because g++ 12 turns the intrinsic into forms that overwrite a or b and spills in the loop.
ENLARGE_FORCE_INLINE void add_product(vf& sum, vf a, vf b) { asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
// Makes the compiler believe that x is needed, and may have changed.
ENLARGE_FORCE_INLINE void keep(vf& x) { asm volatile("" : "+v"(x)); }
#endif
constexpr int kPeakChains = 16;
ENLARGE_FORCE_INLINE vf prelu(vf x, vf slope) {  // by sign bit: the same, as slope * -0 is a zero
    return _mm512_mask_mul_ps(x, _mm512_movepi32_mask(_mm512_castps_si512(x)), x, slope);
}
ENLARGE_FORCE_INLINE vf min(vf a, vf b) { return _mm512_min_ps(a, b); }
ENLARGE_FORCE_INLINE vf max(vf a, vf b) { return _mm512_max_ps(a, b); }
ENLARGE_FORCE_INLINE vf round_even(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
ENLARGE_FORCE_INLINE vf times_power_of_two(vf x, vf n) { return _mm512_scalef_ps(x, n); }
// 2^(n - 127), n the lowest bits of x.
ENLARGE_FORCE_INLINE vf low_bits_as_exponent(vf x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), 23));
}
ENLARGE_FORCE_INLINE vf keep_nan(vf x, vf y) { return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x); }
ENLARGE_FORCE_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

using WideInts = __m512i;
#ifdef ENLARGE_VNNI
template <int kVectors>
constexpr int kIntPixels = kPixels<kVectors>;
#ifdef ENLARGE_EMULATED
ENLARGE_FORCE_INLINE void dot(WideInts& acc, WideInts a, WideInts w) { acc = _mm512_dpwssd_epi32(acc, a, w); }
#else
ENLARGE_FORCE_INLINE void dot(WideInts& acc, WideInts a, WideInts w) { asm("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w)); }
#endif
#else
// A product needs a register of its own.
template <int kVectors>
constexpr int kIntPixels = kVectors == 3 && kPixels<3> > 8 ? 8 : kPixels<kVectors>;
#ifdef ENLARGE_EMULATED
ENLARGE_FORCE_INLINE void dot(WideInts& acc, WideInts a, WideInts w) { acc = _mm512_add_epi32(acc, _mm512_madd_epi16(a, w)); }
#else
ENLARGE_FORCE_INLINE void dot(WideInts& acc, WideInts a, WideInts w) {
    WideInts product;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(acc), "=&v"(product) : "v"(a), "v"(w));
}
#endif
#endif
ENLARGE_FORCE_INLINE WideInts load_ints(const std::int16_t* p) { return _mm512_loadu_si512(p); }
ENLARGE_FORCE_INLINE void store(std::int32_t* p, WideInts x) { _mm512_storeu_si512(p, x); }
ENLARGE_FORCE_INLINE WideInts zero_ints() { return _mm512_setzero_si512(); }
ENLARGE_FORCE_INLINE WideInts broadcast_pair(const std::int16_t* p) {
    int pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

#include "kernels/body/pixels.inl.hpp"
#include "kernels/body/winograd.inl.hpp"
#include "kernels/body/winograd6.inl.hpp"
#include "kernels/body/products.inl.hpp"
#include "kernels/body/integers.inl.hpp"
#include "kernels/body/blocks.inl.hpp"
#include "kernels/body/tensors.inl.hpp"
#include "kernels/body/attention.inl.hpp"
#include "kernels/body/planes.inl.hpp"
#include "kernels/body/fill.inl.hpp"

// quantise_*, to_half and from_half stay those of AVX2, which the table holds already: they wait for memory.
void fill(KernelTable& t) {
    fill_bodies(t);
    t.tile_multiple = 14;
    t.fast_i16 = true;
    t.fast_blocks6 = true;
}

}  // namespace
}  // namespace enlarge
