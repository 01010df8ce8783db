// SPDX-License-Identifier: Apache-2.0
// Attention with queries beside each other in the vectors: a softmax then needs no sums within a vector, and neither
// keys nor values are moved.

// exp(x) for x <= 0, within 2 ulp; NaN stays NaN. As exponential(), with n + 127 in the lowest bits of a sum.
ENLARGE_FORCE_INLINE vf exponential_of_loss(vf x) {
    x = max(set1(-87.0F), x);  // in this order: NaN stays
    const vf magic = set1(12582912.0F + 127.0F), t = fma(x, set1(1.44269504F), magic), n = t - magic;
    return exponential_near_zero(without_ln2(x, n)) * low_bits_as_exponent(t);
}

// Calls run.operator()<n>() for the n of 1 to kMost that is asked for.
template <int kMost, class Run>
ENLARGE_FORCE_INLINE void with_count(int n, const Run& run) {
    if constexpr (kMost > 0) {
        if (n == kMost) return run.template operator()<kMost>();
        with_count<kMost - 1>(n, run);
    }
}

// Scores of kTiles keys, and the largest of each query so far.
template <int kVectors, int kTiles>
ENLARGE_NOINLINE void score_tile(const float* q, const float* keys, std::ptrdiff_t stride, int size,
                                 const float* const* bias, std::ptrdiff_t offset, float* scores, float* most) {
    vf acc[kVectors][kTiles];
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) acc[v][p] =
        load(bias[p] + offset + v * kWidth);
    accumulate(acc, keys, stride, size, q, 0);
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) {
        vf largest = load(most + v * kWidth);
        ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) {
            largest = max(largest, acc[v][p]);
            store(scores + (p * kVectors + v) * kWidth, acc[v][p]);
        }
        store(most + v * kWidth, largest);
    }
}

// kTiles channels of the values, each times its share, and then times `by`.
template <int kVectors, int kTiles>
ENLARGE_NOINLINE void value_tile(const float* shares, const float* values, std::ptrdiff_t stride, int keys,
                                 const float* by, float* out) {
    vf acc[kVectors][kTiles];
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) acc[v][p] =
        set1(0.0F);
#pragma GCC unroll 2
    for (int j = 0; j < keys; ++j, shares += kVectors * kWidth, values += stride) {
        vf share[kVectors];
        ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) share[v] = load(shares + v * kWidth);
        ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) {
            const vf value = broadcast(values + p);
            ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) add_product(acc[v][p], value, share[v]);
        }
    }
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v)
        store(out + (p * kVectors + v) * kWidth, acc[v][p] * load(by + v * kWidth));
}

template <int kVectors>
void attention_strip(const float* q, const float* keys, const float* values, std::ptrdiff_t stride, int count, int size,
                     const float* const* bias, std::ptrdiff_t offset, float* scores, float* out) {
    constexpr int kWide = kVectors * kWidth, kMost = kPixels<kVectors>;
    alignas(64) float most[kWide], by[kWide];
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) store(most + v * kWidth, set1(-__builtin_inff()));
    for (int j = 0; j < count; j += kMost)
        with_count<kMost>(count - j < kMost ? count - j : kMost, [&]<int kTiles>() ENLARGE_INLINE {
            score_tile<kVectors, kTiles>(q, keys + j * stride, stride, size, bias + j, offset,
                                         scores + std::ptrdiff_t{j} * kWide, most);
        });
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) {
        const vf largest = load(most + v * kWidth);
        vf sums = set1(0.0F);
        float* s = scores + v * kWidth;
        for (int j = 0; j < count; ++j, s += kWide) {
            const vf e = exponential_of_loss(load(s) - largest);
            store(s, e);
            sums = sums + e;
        }
        store(by + v * kWidth, set1(1.0F) / sums);
    }
    const int tiles = (size + kMost - 1) / kMost, each = (size + tiles - 1) / tiles;
    for (int c = 0; c < size; c += each)
        with_count<kMost>(size - c < each ? size - c : each, [&]<int kTiles>() ENLARGE_INLINE {
            value_tile<kVectors, kTiles>(scores, values + c, stride, count, by, out + std::ptrdiff_t{c} * kWide);
        });
}

void attention(const float* q, const float* keys, const float* values, std::ptrdiff_t stride, int count, int size,
               const float* const* bias, std::ptrdiff_t offset, float* scores, float* out) {
    attention_strip<2 * kBlockVectors>(q, keys, values, stride, count, size, bias, offset, scores, out);
}
