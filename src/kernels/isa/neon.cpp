// SPDX-License-Identifier: Apache-2.0
// NEON on arm64: four floats, thirty-two registers; a channel block is two vectors. The multiply-add of 16-bit integers is no
// faster than that of floats here, so integer products are there but `auto` does not choose them.
#include <arm_neon.h>

#include "kernels/body/hints.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

using vf = float __attribute__((vector_size(16), may_alias));
constexpr int kWidth = 4;     // floats in a vector
constexpr int kLanes = 8;        // channels in a channel block
constexpr int kBlockVectors = 2;  // vectors in a channel block
// How many tiles run beside a number of weight vectors: at most 24 accumulators, the weights and a broadcast.
template <int kVectors>
constexpr int kPixels = kVectors == 2 ? 12 : kVectors == 4 ? 6 : 4;
constexpr int kTilesOfPointer = 1;

ENLARGE_FORCE_INLINE vf load(const float* p) { return vld1q_f32(p); }
ENLARGE_FORCE_INLINE vf load(const Half* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
ENLARGE_FORCE_INLINE vf load(const std::int32_t* p) { return vcvtq_f32_s32(vld1q_s32(p)); }
ENLARGE_FORCE_INLINE void store(float* p, vf x) { vst1q_f32(p, x); }
ENLARGE_FORCE_INLINE void store(Half* p, vf x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
using Peak = vf;  // largest magnitudes, or NaN
ENLARGE_FORCE_INLINE Peak no_peak() { return vdupq_n_f32(0); }
ENLARGE_FORCE_INLINE void store_pair(std::int16_t* p, vf x, std::int16_t* q, vf y, Peak& peak) {
    vst1_s16(p, vqmovn_s32(vcvtnq_s32_f32(x)));
    vst1_s16(q, vqmovn_s32(vcvtnq_s32_f32(y)));
    peak = vmaxq_f32(peak, vmaxq_f32(vabsq_f32(x), vabsq_f32(y)));  // NaN stays
}
ENLARGE_FORCE_INLINE bool within_range(Peak peak) { return vmaxvq_f32(peak) <= 32766.5F; }  // which rounds to 32766
ENLARGE_FORCE_INLINE vf set1(float x) { return vdupq_n_f32(x); }
// For add_product alone, which reads the first of the numbers: what repeats one while loading it takes an addition for
// its address and a place among the multiply-adds.
ENLARGE_FORCE_INLINE vf broadcast(const float* p) {
    vf x;
    asm("ldr %s0, %1" : "=w"(x) : "m"(*p));
    return x;
}
ENLARGE_FORCE_INLINE vf broadcast(const Half* p) {
    float16x4_t x;
    asm("ldr %h0, %1" : "=w"(x) : "m"(*p));
    return vcvt_f32_f16(x);
}
ENLARGE_FORCE_INLINE vf fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
// sum += b times the first number of a. As assembly, because g++ 12 moves accumulators about otherwise.
ENLARGE_FORCE_INLINE void add_product(vf& sum, vf a, vf b) {
    asm("fmla %0.4s, %2.4s, %1.s[0]" : "+w"(sum) : "w"(a), "w"(b));
}
// Makes the compiler believe that x is needed, and may have changed.
ENLARGE_FORCE_INLINE void keep(vf& x) { asm volatile("" : "+w"(x)); }
constexpr int kPeakChains = 16;
ENLARGE_FORCE_INLINE vf prelu(vf x, vf slope) { return vbslq_f32(vcltq_f32(x, vdupq_n_f32(0)), x * slope, x); }
ENLARGE_FORCE_INLINE vf min(vf a, vf b) { return vminq_f32(a, b); }
ENLARGE_FORCE_INLINE vf max(vf a, vf b) { return vmaxq_f32(a, b); }
ENLARGE_FORCE_INLINE vf round_even(vf x) { return vrndnq_f32(x); }
ENLARGE_FORCE_INLINE vf times_power_of_two(vf x, vf n) {
    return x * vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
}
// 2^(n - 127), n the lowest bits of x.
ENLARGE_FORCE_INLINE vf low_bits_as_exponent(vf x) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(x), 23));
}
ENLARGE_FORCE_INLINE vf keep_nan(vf x, vf y) { return vbslq_f32(vceqq_f32(x, x), y, x); }
ENLARGE_FORCE_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }

using WideInts = int32x4_t;
ENLARGE_FORCE_INLINE void store(std::int32_t* p, WideInts x) { vst1q_s32(p, x); }
ENLARGE_FORCE_INLINE WideInts zero_ints() { return vdupq_n_s32(0); }

#include "kernels/body/pixels.inl.hpp"
#include "kernels/body/winograd.inl.hpp"
#include "kernels/body/winograd6.inl.hpp"
#include "kernels/body/products.inl.hpp"

// Pairs are multiplied and added by widening.
void gemm_i16(const std::int16_t* a, int tiles, int k, const std::int16_t* w, int group, std::int32_t* m) {
    const int width = group * kLanes;
    for (int t = 0; t < tiles; ++t, a += k, m += width)
        for (int n = 0; n < width; n += kWidth) {
            WideInts even = zero_ints(), odd = zero_ints();
            for (int i = 0; i < k; i += 2) {
                const int16x4x2_t weights = vld2_s16(w + (std::ptrdiff_t{i} / 2 * width + n) * 2);
                even = vmlal_n_s16(even, weights.val[0], a[i]);
                odd = vmlal_n_s16(odd, weights.val[1], a[i + 1]);
            }
            store(m + n, vaddq_s32(even, odd));
        }
}

#include "kernels/body/blocks.inl.hpp"
#include "kernels/body/halves.inl.hpp"
#include "kernels/body/tensors.inl.hpp"
#include "kernels/body/attention.inl.hpp"
#include "kernels/body/planes.inl.hpp"
#include "kernels/body/fill.inl.hpp"

ENLARGE_FORCE_INLINE uint32x4_t to_int(vf x, vf most) {  // NaN gives 0: maxnm takes the number
    return vcvtnq_u32_f32(vminq_f32(vmaxnmq_f32(x * most, vdupq_n_f32(0)), most));
}

void quantise_u8(const float* x, std::size_t n, std::uint8_t* out) {
    in_blocks<8>(x, n, out, [](const float* from, std::uint8_t* to) ENLARGE_INLINE {
        const vf most = set1(255.0F);
        vst1_u8(to, vqmovn_u16(vcombine_u16(vqmovn_u32(to_int(load(from), most)), vqmovn_u32(to_int(load(from + 4), most)))));
    });
}

void quantise_u16(const float* x, std::size_t n, float max, std::uint16_t* out) {
    in_blocks<4>(x, n, out, [max](const float* from, std::uint16_t* to) ENLARGE_INLINE { vst1_u16(to, vqmovn_u32(to_int(load(from), set1(max)))); });
}

}  // namespace

void fill_neon(KernelTable& t) {
    fill_bodies(t);
    t.name = "neon";
    t.tile_multiple = 12;
    t.quantise_u8 = quantise_u8;
    t.quantise_u16 = quantise_u16;
    t.to_half = to_half;
    t.from_half = from_half;
}

}  // namespace enlarge
