// SPDX-License-Identifier: Apache-2.0
// AVX-512 F, BW, DQ and VL: sixteen floats, thirty-two registers. isa/avx512.cpp and isa/avx512_vnni.cpp compile it, the
// latter with ENLARGE_VNNI, where the 16-bit products and their sums are one instruction.
#include <immintrin.h>

#include "kernels/table.hpp"

#define UNROLL _Pragma("GCC unroll 32")
#define INLINE __attribute__((always_inline))
#define UNROLL_HINT inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

namespace enlarge {
namespace {

using vf = float __attribute__((vector_size(64), may_alias));
constexpr int kWidth = 16;    // floats in a vector
constexpr int kLanes = 16;    // channels in a granule
constexpr int kGranule = 1;   // vectors in a granule
// How many tiles run beside a number of weight vectors: at most 28 accumulators, the weights and a broadcast.
template <int kVectors>
constexpr int kPixels = kVectors == 1 ? 14 : kVectors == 2 ? 14 : 9;

UNROLL_HINT vf load(const float* p) { return _mm512_loadu_ps(p); }
UNROLL_HINT vf load(const Half* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
UNROLL_HINT vf load(const std::int32_t* p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
UNROLL_HINT void store(float* p, vf x) { _mm512_storeu_ps(p, x); }
UNROLL_HINT void store(Half* p, vf x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
UNROLL_HINT void store(std::int16_t* p, vf x) {  // rounded half to even, saturated
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x)));
}
UNROLL_HINT vf set1(float x) { return _mm512_set1_ps(x); }
UNROLL_HINT vf broadcast(const float* p) { return _mm512_set1_ps(*p); }
UNROLL_HINT vf broadcast(const Half* p) { return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(*p))); }
UNROLL_HINT vf fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
// sum += a * b. As assembly, because g++ 12 turns the intrinsic into forms that overwrite a or b and spills in the loop.
UNROLL_HINT void add_product(vf& sum, vf a, vf b) { asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
// Makes the compiler believe that x is needed, and may have changed.
UNROLL_HINT void keep(vf& x) { asm volatile("" : "+v"(x)); }
constexpr int kPeakChains = 16;
UNROLL_HINT vf prelu(vf x, vf slope) {  // by sign bit: the same, as slope * -0 is a zero
    return _mm512_mask_mul_ps(x, _mm512_movepi32_mask(_mm512_castps_si512(x)), x, slope);
}
UNROLL_HINT vf min(vf a, vf b) { return _mm512_min_ps(a, b); }
UNROLL_HINT vf max(vf a, vf b) { return _mm512_max_ps(a, b); }
UNROLL_HINT vf round_even(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
UNROLL_HINT vf times_power_of_two(vf x, vf n) { return _mm512_scalef_ps(x, n); }
UNROLL_HINT vf keep_nan(vf x, vf y) { return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x); }
UNROLL_HINT void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

using WideInts = __m512i;
#ifdef ENLARGE_VNNI
template <int kVectors>
constexpr int kIntPixels = kPixels<kVectors>;
UNROLL_HINT void dot(WideInts& acc, WideInts a, WideInts w) { asm("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w)); }
#else
// A product needs a register of its own.
template <int kVectors>
constexpr int kIntPixels = kVectors == 3 ? 8 : 14;
UNROLL_HINT void dot(WideInts& acc, WideInts a, WideInts w) {
    WideInts product;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(acc), "=&v"(product) : "v"(a), "v"(w));
}
#endif
UNROLL_HINT WideInts load_ints(const std::int16_t* p) { return _mm512_loadu_si512(p); }
UNROLL_HINT void store(std::int32_t* p, WideInts x) { _mm512_storeu_si512(p, x); }
UNROLL_HINT WideInts zero_ints() { return _mm512_setzero_si512(); }
UNROLL_HINT WideInts broadcast_pair(const std::int16_t* p) {
    int pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

#include "kernels/body/pixels.inl.hpp"
#include "kernels/body/winograd.inl.hpp"
#include "kernels/body/products.inl.hpp"
#include "kernels/body/integers.inl.hpp"

// quantise_*, to_half and from_half stay those of AVX2, which the table holds already: they wait for memory.
void fill(KernelTable& t) {
    t.lanes = kLanes;
    t.tile_multiple = 14;
    t.fma_rounds = fma_rounds;
    t.fma_round_flops = 2.0 * kPeakChains * kWidth;
    t.leaky_relu_f32 = leaky_relu;
    t.winograd_input_f32 = winograd_input<float>;
    t.winograd_input_f16 = winograd_input<Half>;
    t.gemm_f32 = gemm;
    t.winograd_output_f32 = winograd_output<float, float>;
    t.winograd_output_f16 = winograd_output<float, Half>;
    t.winograd_input_f16_i16 = winograd_input_ints;
    t.gemm_i16 = gemm_i16;
    t.winograd_output_i32_f32 = winograd_output<std::int32_t, float>;
    t.winograd_output_i32_f16 = winograd_output<std::int32_t, Half>;
    t.fast_i16 = true;
    t.conv_f32 = conv<float, float>;
    t.conv_f32_f16 = conv<float, Half>;
    t.conv_f16 = conv<Half, Half>;
    t.conv_f16_f32 = conv<Half, float>;
    t.shuffle_line_f32 = shuffle_line;
    t.all_finite_f32 = all_finite;
}

}  // namespace
}  // namespace enlarge
