// SPDX-License-Identifier: Apache-2.0
// 16-bit products by `sdot`, which adds four of them to a sum of 64 bits: the weights of two pairs of inputs are put
// beside each other, and the sums of a vector of outputs fill two vectors, the lower halves of whose numbers are the
// result.

using Longs = svint64_t __attribute__((arm_sve_vector_bits(__ARM_FEATURE_SVE_BITS)));
using Ints = svint32_t __attribute__((arm_sve_vector_bits(__ARM_FEATURE_SVE_BITS)));
using Shorts = svint16_t __attribute__((arm_sve_vector_bits(__ARM_FEATURE_SVE_BITS)));
// Beside the sums, two vectors for each output, there must be room for as many weights and a broadcast.
template <int kVectors>
constexpr int kIntPixels = kVectors == 3 ? 4 : kVectors == 2 ? 6 : 12;

ENLARGE_FORCE_INLINE Ints load_pairs(const std::int16_t* w) {
    return svreinterpret_s32_s16(svld1_s16(svptrue_b16(), w));
}

// The next numbers, four or two, again and again.
ENLARGE_FORCE_INLINE Shorts repeated_four(const std::int16_t* a) {
    std::int64_t bits;
    __builtin_memcpy(&bits, a, sizeof bits);
    return svreinterpret_s16_s64(svdup_n_s64(bits));
}
ENLARGE_FORCE_INLINE Shorts repeated_pair(const std::int16_t* a) {
    std::int32_t bits;
    __builtin_memcpy(&bits, a, sizeof bits);
    return svreinterpret_s16_s32(svdup_n_s32(bits));
}

// sums[2 * v], sums[2 * v + 1]: the lower and the upper outputs of vector v. With kCount 2 the other two weights are 0.
template <int kCount, int kVectors, int kTiles>
ENLARGE_FORCE_INLINE void add_dots(Longs (&sums)[2 * kVectors][kTiles], const std::int16_t* a, std::ptrdiff_t stride,
                                   const std::int16_t* w) {
    Shorts weights[2 * kVectors];
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) {
        const Ints pairs = load_pairs(w + v * kWidth * 2);
        Ints more = svdup_n_s32(0);
        if constexpr (kCount == 4) more = load_pairs(w + (kVectors + v) * kWidth * 2);
        weights[2 * v] = svreinterpret_s16_s32(svzip1_s32(pairs, more));
        weights[2 * v + 1] = svreinterpret_s16_s32(svzip2_s32(pairs, more));
    }
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) {
        const Shorts value = kCount == 4 ? repeated_four(a + p * stride) : repeated_pair(a + p * stride);
        ENLARGE_UNROLL for (int v = 0; v < 2 * kVectors; ++v) sums[v][p] = svdot_s64(sums[v][p], value, weights[v]);
    }
}

template <int kVectors, int kTiles>
ENLARGE_NOINLINE void gemm_i16_tile(const std::int16_t* a, int k, const std::int16_t* w, std::int32_t* m) {
    Longs sums[2 * kVectors][kTiles];
    ENLARGE_UNROLL for (int v = 0; v < 2 * kVectors; ++v) ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p)
        sums[v][p] = svdup_n_s64(0);
    const std::ptrdiff_t stride = k, ahead = std::ptrdiff_t{k} * kVectors * kWidth;
    int i = 0;
#pragma GCC unroll 1
    for (; i + 4 <= k; i += 4, a += 4, w += 4 * kVectors * kWidth) {
        add_dots<4, kVectors, kTiles>(sums, a, stride, w);
        prefetch(w + ahead);
        prefetch(w + ahead + 2 * kVectors * kWidth);
    }
    if (i < k) add_dots<2, kVectors, kTiles>(sums, a, stride, w);
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v)
        svst1_s32(svptrue_b32(), m + (p * kVectors + v) * kWidth,
                  svuzp1_s32(svreinterpret_s32_s64(sums[2 * v][p]), svreinterpret_s32_s64(sums[2 * v + 1][p])));
}

void gemm_i16(const std::int16_t* a, int tiles, int k, const std::int16_t* w, int group, std::int32_t* m) {
    const auto some = [&]<int kVectors>() ENLARGE_INLINE {
        for_tiles<kIntPixels<kVectors>>(tiles, [&]<int kTiles>(int t) ENLARGE_INLINE {
            gemm_i16_tile<kVectors, kTiles>(a + std::ptrdiff_t{t} * k, k, w, m + std::ptrdiff_t{t} * kVectors * kWidth);
        });
    };
    if (group == 1) return some.template operator()<1>();
    if (group == 2) return some.template operator()<2>();
    some.template operator()<3>();
}
