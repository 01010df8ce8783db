// SPDX-License-Identifier: Apache-2.0
// 16-bit products in registers. The including isa/ file gives WideInts (kWidth sums of 32 bits, or as many pairs of 16),
// load_ints, broadcast_pair, zero_ints, store and dot(acc, pairs, weights): acc += sum of the two products of each pair.

template <int kVectors, int kTiles>
ENLARGE_NOINLINE void gemm_i16_tile(const std::int16_t* a, int k, const std::int16_t* w, std::int32_t* m) {
    WideInts acc[kVectors][kTiles];
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) acc[v][p] = zero_ints();
    const std::int16_t* base[(kTiles + 2) / 3];
    ENLARGE_UNROLL for (int q = 0; q < (kTiles + 2) / 3; ++q) base[q] = a + 3 * q * std::ptrdiff_t{k};
    const std::ptrdiff_t ahead = std::ptrdiff_t{k} * kVectors * kWidth;
    const auto step = [&](int i) ENLARGE_INLINE {
        WideInts weight[kVectors];
        ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) weight[v] = load_ints(w + v * kWidth * 2);
        prefetch(w + ahead);
        ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) {
            const WideInts value = broadcast_pair(base[p / 3] + (p % 3) * std::ptrdiff_t{k} + i);
            ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) dot(acc[v][p], value, weight[v]);
        }
        w += kVectors * kWidth * 2;
    };
    int i = 0;
#pragma GCC unroll 1
    for (; i + 4 <= k; i += 4) {
        step(0);
        step(2);
        ENLARGE_UNROLL for (int q = 0; q < (kTiles + 2) / 3; ++q) base[q] += 4;
    }
    if (i < k) step(0);
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p)
        ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) store(m + (p * kVectors + v) * kWidth, acc[v][p]);
}

template <int kVectors, int kMost>
void gemm_i16_group(const std::int16_t* a, int tiles, int k, const std::int16_t* w, std::int32_t* m) {
    while (tiles > 0) {
        const int n = tiles < kMost ? tiles : kMost;
        const auto run = [&]<int kTiles>(auto&& self) ENLARGE_INLINE -> void {
            if constexpr (kTiles > 0) {
                if (n == kTiles) return gemm_i16_tile<kVectors, kTiles>(a, k, w, m);
                self.template operator()<kTiles - 1>(self);
            }
        };
        run.template operator()<kMost>(run);
        a += std::ptrdiff_t{n} * k;
        m += n * kVectors * kWidth;
        tiles -= n;
    }
}

void gemm_i16(const std::int16_t* a, int tiles, int k, const std::int16_t* w, int group, std::int32_t* m) {
    if (group == 1) return gemm_i16_group<1, kIntPixels<1>>(a, tiles, k, w, m);
    if (group == 2) return gemm_i16_group<2, kIntPixels<2>>(a, tiles, k, w, m);
    gemm_i16_group<3, kIntPixels<3>>(a, tiles, k, w, m);
}
