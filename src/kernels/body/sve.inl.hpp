// SPDX-License-Identifier: Apache-2.0
// SVE (its first version is enough) with vectors of a length known when compiled: isa/sve256.cpp has eight floats in
// each, isa/sve512.cpp sixteen; a channel block is one vector, and there are thirty-two registers. Arithmetic is on
// whole vectors; only comparisons make predicates.
#include <arm_sve.h>

#include "kernels/body/hints.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

using vf = svfloat32_t __attribute__((arm_sve_vector_bits(__ARM_FEATURE_SVE_BITS)));
constexpr int kWidth = __ARM_FEATURE_SVE_BITS / 32;  // floats in a vector
constexpr int kLanes = kWidth;                       // channels in a channel block
constexpr int kBlockVectors = 1;                     // vectors in a channel block
// How many tiles run beside a number of weight vectors: at most 24 accumulators, the weights and a broadcast.
template <int kVectors>
constexpr int kPixels = kVectors == 3 ? 8 : 12;

constexpr int kTilesOfPointer = 1;

ENLARGE_FORCE_INLINE svbool_t all() { return svptrue_b32(); }
ENLARGE_FORCE_INLINE vf load(const float* p) { return svld1_f32(all(), p); }
// A half lies in the lower half of each of the numbers that it is converted to and from.
ENLARGE_FORCE_INLINE vf from_halves(svuint32_t x) { return svcvt_f32_f16_x(all(), svreinterpret_f16_u32(x)); }
ENLARGE_FORCE_INLINE vf load(const Half* p) { return from_halves(svld1uh_u32(all(), p)); }
ENLARGE_FORCE_INLINE vf load(const std::int32_t* p) { return svcvt_f32_s32_x(all(), svld1_s32(all(), p)); }
ENLARGE_FORCE_INLINE void store(float* p, vf x) { svst1_f32(all(), p, x); }
ENLARGE_FORCE_INLINE void store(Half* p, vf x) {
    svst1h_u32(all(), p, svreinterpret_u32_f16(svcvt_f16_f32_x(all(), x)));
}
ENLARGE_FORCE_INLINE svint32_t to_ints(vf x) { return svcvt_s32_f32_x(all(), svrintn_f32_x(all(), x)); }
ENLARGE_FORCE_INLINE vf set1(float x) { return svdup_n_f32(x); }
ENLARGE_FORCE_INLINE vf broadcast(const float* p) { return svdup_n_f32(*p); }
ENLARGE_FORCE_INLINE vf broadcast(const Half* p) { return from_halves(svdup_n_u32(*p)); }
ENLARGE_FORCE_INLINE vf fma(vf a, vf b, vf c) { return svmla_f32_x(all(), c, a, b); }
// sum += a * b. As assembly, because g++ 12 turns the intrinsic into forms that overwrite a or b and spills.
ENLARGE_FORCE_INLINE void add_product(vf& sum, vf a, vf b) {
    asm("fmla %0.s, %3/m, %1.s, %2.s" : "+w"(sum) : "w"(a), "w"(b), "Upl"(all()));
}
// Makes the compiler believe that x is needed, and may have changed.
ENLARGE_FORCE_INLINE void keep(vf& x) { asm volatile("" : "+w"(x)); }
constexpr int kPeakChains = 24;
ENLARGE_FORCE_INLINE vf prelu(vf x, vf slope) { return svmul_f32_m(svcmplt_n_f32(all(), x, 0), x, slope); }
ENLARGE_FORCE_INLINE vf min(vf a, vf b) { return svmin_f32_x(all(), a, b); }
ENLARGE_FORCE_INLINE vf max(vf a, vf b) { return svmax_f32_x(all(), a, b); }
ENLARGE_FORCE_INLINE vf round_even(vf x) { return svrintn_f32_x(all(), x); }
ENLARGE_FORCE_INLINE vf times_power_of_two(vf x, vf n) { return svscale_f32_x(all(), x, svcvt_s32_f32_x(all(), n)); }
// 2^(n - 127), n the lowest bits of x.
ENLARGE_FORCE_INLINE vf low_bits_as_exponent(vf x) {
    return svreinterpret_f32_u32(svlsl_n_u32_x(all(), svreinterpret_u32_f32(x), 23));
}
ENLARGE_FORCE_INLINE vf keep_nan(vf x, vf y) { return svsel_f32(svcmpuo_f32(all(), x, x), x, y); }
ENLARGE_FORCE_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }

using Peak = vf;  // largest magnitudes, or NaN
ENLARGE_FORCE_INLINE Peak no_peak() { return set1(0.0F); }
ENLARGE_FORCE_INLINE void store_ints(std::int16_t* p, vf x) {  // out of range is not for use, and need not saturate
    svst1h_s32(all(), p, to_ints(x));
}
ENLARGE_FORCE_INLINE void store_pair(std::int16_t* p, vf x, std::int16_t* q, vf y, Peak& peak) {
    store_ints(p, x);
    store_ints(q, y);
    peak = max(peak, max(svabs_f32_x(all(), x), svabs_f32_x(all(), y)));  // NaN stays
}
ENLARGE_FORCE_INLINE bool within_range(Peak peak) {
    return svmaxv_f32(all(), peak) <= 32766.5F;  // which rounds to 32766
}

#include "kernels/body/pixels.inl.hpp"
#include "kernels/body/winograd.inl.hpp"
#include "kernels/body/winograd6.inl.hpp"
#include "kernels/body/products.inl.hpp"
#include "kernels/body/sve_integers.inl.hpp"
#include "kernels/body/blocks.inl.hpp"
#include "kernels/body/halves.inl.hpp"
#include "kernels/body/tensors.inl.hpp"
#include "kernels/body/attention.inl.hpp"
#include "kernels/body/planes.inl.hpp"
#include "kernels/body/fill.inl.hpp"

ENLARGE_FORCE_INLINE svuint32_t to_int(vf x, vf most) {  // NaN gives 0: maxnm takes the number
    const svfloat32_t inside = svmin_f32_x(all(), svmaxnm_n_f32_x(all(), svmul_f32_x(all(), x, most), 0), most);
    return svcvt_u32_f32_x(all(), svrintn_f32_x(all(), inside));
}

void quantise_u8(const float* x, std::size_t n, std::uint8_t* out) {
    in_blocks<kWidth>(x, n, out, [](const float* from, std::uint8_t* to) ENLARGE_INLINE {
        svst1b_u32(all(), to, to_int(load(from), set1(255.0F)));
    });
}

void quantise_u16(const float* x, std::size_t n, float max, std::uint16_t* out) {
    in_blocks<kWidth>(x, n, out, [max](const float* from, std::uint16_t* to) ENLARGE_INLINE {
        svst1h_u32(all(), to, to_int(load(from), set1(max)));
    });
}

void fill(KernelTable& t) {
    fill_bodies(t);
    t.tile_multiple = 24;
    t.quantise_u8 = quantise_u8;
    t.quantise_u16 = quantise_u16;
    t.to_half = to_half;
    t.from_half = from_half;
}

}  // namespace
}  // namespace enlarge
