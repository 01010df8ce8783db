// SPDX-License-Identifier: Apache-2.0
// 16-bit Winograd products. The including isa/ file gives, for each of its integer vectors, the overloads used below:
// add16, sub16, twice16, four16, add32, sub32, multiply_add (pairs of 16 bits to 32), low_pairs, high_pairs, narrow,
// shift_right<n>, pair<V>(a, b), load_as<V>, store; and dot(acc, pairs, weights), which adds multiply_add to acc.

template <class V>
UNROLL_HINT void transform_input_i16(const V (&d)[6], V (&o)[6]) {  // |d| <= kFeatureMax, so 10 * |d| fits
    const V t0 = sub16(d[4], four16(d[2])), t1 = sub16(d[3], four16(d[1]));
    const V t2 = sub16(d[4], d[2]), t3 = twice16(sub16(d[3], d[1]));
    o[0] = add16(four16(sub16(d[0], d[2])), t2);
    o[1] = add16(t0, t1);
    o[2] = sub16(t0, t1);
    o[3] = add16(t2, t3);
    o[4] = sub16(t2, t3);
    o[5] = add16(four16(sub16(d[1], d[3])), sub16(d[5], d[3]));
}

// The second pass needs 32 bits: products of pairs, whose idle halves carry the rounding.
template <int kShift, class V>
UNROLL_HINT void transform_pairs(V a, V b, V c, V d, V (&o)[6]) {  // a (t1,t3), b (t2,t4), c (t0,1), d (t5,1)
    constexpr int kHalf = 1 << (kShift - 1);
    const V r = pair<V>(kHalf, 0);
    const V e1 = add32(multiply_add(b, pair<V>(-4, 1)), r), e2 = multiply_add(a, pair<V>(-4, 1));
    const V e3 = add32(multiply_add(b, pair<V>(-1, 1)), r), e4 = multiply_add(a, pair<V>(-2, 2));
    o[0] = shift_right<kShift>(add32(multiply_add(c, pair<V>(4, kHalf)), multiply_add(b, pair<V>(-5, 1))));
    o[1] = shift_right<kShift>(add32(e1, e2));
    o[2] = shift_right<kShift>(sub32(e1, e2));
    o[3] = shift_right<kShift>(add32(e3, e4));
    o[4] = shift_right<kShift>(sub32(e3, e4));
    o[5] = shift_right<kShift>(add32(multiply_add(a, pair<V>(4, -5)), multiply_add(d, pair<V>(1, kHalf))));
}

template <int kShift, class V>
UNROLL_HINT void second_pass_i16(const V (&t)[6], std::int16_t* to, std::ptrdiff_t pos_stride) {
    const V one = pair<V>(1, 1);
    V low[6], high[6];
    transform_pairs<kShift>(low_pairs(t[1], t[3]), low_pairs(t[2], t[4]), low_pairs(t[0], one), low_pairs(t[5], one), low);
    transform_pairs<kShift>(high_pairs(t[1], t[3]), high_pairs(t[2], t[4]), high_pairs(t[0], one), high_pairs(t[5], one), high);
    UNROLL for (int j = 0; j < 6; ++j) store(to + j * pos_stride, narrow(low[j], high[j]));
}

template <class V>
UNROLL_HINT void winograd_input_i16_at(const Window<std::int16_t>& in, std::ptrdiff_t at, std::int16_t* to,
                                       std::ptrdiff_t pos_stride) {
    V t[6][6];
    UNROLL for (int j = 0; j < 6; ++j) {
        V d[6], o[6];
        UNROLL for (int i = 0; i < 6; ++i) d[i] = load_as<V>(in.rows[i] + in.column[j] + at);
        transform_input_i16(d, o);
        UNROLL for (int i = 0; i < 6; ++i) t[i][j] = o[i];
    }
    second_pass_i16<kInputShift[0]>(t[0], to, pos_stride);
    second_pass_i16<kInputShift[1]>(t[1], to + 6 * pos_stride, pos_stride);
    second_pass_i16<kInputShift[2]>(t[2], to + 12 * pos_stride, pos_stride);
    second_pass_i16<kInputShift[3]>(t[3], to + 18 * pos_stride, pos_stride);
    second_pass_i16<kInputShift[4]>(t[4], to + 24 * pos_stride, pos_stride);
    second_pass_i16<kInputShift[5]>(t[5], to + 30 * pos_stride, pos_stride);
}

// Wide vectors as far as they go, narrow ones for a last odd granule.
void winograd_input_i16(const Window<std::int16_t>& in, int blocks, int channels, std::int16_t* v,
                        std::ptrdiff_t pos_stride) {
    constexpr int kWide = sizeof(WideInts) / 2, kNarrow = sizeof(NarrowInts) / 2;
    for (int b = 0; b < blocks; ++b) {
        const std::ptrdiff_t at = b * in.step;
        std::int16_t* to = v + std::ptrdiff_t{b} * channels;
        int c = 0;
        for (; c + kWide <= channels; c += kWide) winograd_input_i16_at<WideInts>(in, at + c, to + c, pos_stride);
        for (; c < channels; c += kNarrow) winograd_input_i16_at<NarrowInts>(in, at + c, to + c, pos_stride);
    }
}

template <int kVectors, int kTiles>
NOINLINE void gemm_i16_tile(const std::int16_t* a, int k, const std::int16_t* w, std::int32_t* m) {
    WideInts acc[kVectors][kTiles];
    UNROLL for (int v = 0; v < kVectors; ++v) UNROLL for (int p = 0; p < kTiles; ++p) acc[v][p] = zero_ints();
    const std::int16_t* base[(kTiles + 2) / 3];
    UNROLL for (int q = 0; q < (kTiles + 2) / 3; ++q) base[q] = a + 3 * q * std::ptrdiff_t{k};
    const std::ptrdiff_t ahead = std::ptrdiff_t{k} * kVectors * kWidth;
    const auto step = [&](int i) INLINE {
        WideInts weight[kVectors];
        UNROLL for (int v = 0; v < kVectors; ++v) weight[v] = load_as<WideInts>(w + v * kWidth * 2);
        prefetch(w + ahead);
        UNROLL for (int p = 0; p < kTiles; ++p) {
            const WideInts value = broadcast_pair(base[p / 3] + (p % 3) * std::ptrdiff_t{k} + i);
            UNROLL for (int v = 0; v < kVectors; ++v) dot(acc[v][p], value, weight[v]);
        }
        w += kVectors * kWidth * 2;
    };
    int i = 0;
#pragma GCC unroll 1
    for (; i + 4 <= k; i += 4) {
        step(0);
        step(2);
        UNROLL for (int q = 0; q < (kTiles + 2) / 3; ++q) base[q] += 4;
    }
    if (i < k) step(0);
    UNROLL for (int p = 0; p < kTiles; ++p)
        UNROLL for (int v = 0; v < kVectors; ++v) store(m + (p * kVectors + v) * kWidth, acc[v][p]);
}

template <int kVectors, int kMost>
void gemm_i16_group(const std::int16_t* a, int tiles, int k, const std::int16_t* w, std::int32_t* m) {
    while (tiles > 0) {
        const int n = tiles < kMost ? tiles : kMost;
        const auto run = [&]<int kTiles>(auto&& self) INLINE -> void {
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
