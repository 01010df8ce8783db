// SPDX-License-Identifier: Apache-2.0
// Matrix products and direct convolutions in registers: kVectors x kTiles accumulators, activations broadcast, weights
// streamed. kPixels<NV> is how many tiles (or pixels) fit beside NV weight vectors.

// acc[v][p] += x[p * stride + i] * w[i][v], i < k. Pointers are kept for each kTilesOfPointer tiles.
template <int kVectors, int kTiles, class In>
ENLARGE_FORCE_INLINE void accumulate(vf (&acc)[kVectors][kTiles], const In* x, std::ptrdiff_t stride, int k, const float* w,
                            std::ptrdiff_t ahead) {
    constexpr int kEach = kTilesOfPointer, kPointers = (kTiles + kEach - 1) / kEach;
    const In* base[kPointers];
    ENLARGE_UNROLL for (int q = 0; q < kPointers; ++q) base[q] = x + kEach * q * stride;
    const auto step = [&](int i) ENLARGE_INLINE {
        vf weight[kVectors];
        ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) weight[v] = load(w + v * kWidth);
        prefetch(w + ahead);
        ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) {
            const vf value = broadcast(base[p / kEach] + (p % kEach) * stride + i);
            ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) add_product(acc[v][p], value, weight[v]);
        }
        w += kVectors * kWidth;
    };
    int i = 0;
#pragma GCC unroll 1
    for (; i + 4 <= k; i += 4) {
        step(0);
        step(1);
        step(2);
        step(3);
        ENLARGE_UNROLL for (int q = 0; q < kPointers; ++q) base[q] += 4;
    }
#pragma GCC unroll 1
    for (; i < k; ++i) {
        step(0);
        ENLARGE_UNROLL for (int q = 0; q < kPointers; ++q) base[q] += 1;
    }
}

template <int kVectors, int kTiles>
ENLARGE_NOINLINE void gemm_tile(const float* a, std::ptrdiff_t stride, int k, const float* w, float* m, std::ptrdiff_t m_stride) {
    vf acc[kVectors][kTiles];
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) acc[v][p] = set1(0.0F);
    // The next position's weights follow these: fetch them while these are used.
    accumulate(acc, a, stride, k, w, std::ptrdiff_t{k} * kVectors * kWidth);
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p)
        ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) store(m + p * m_stride + v * kWidth, acc[v][p]);
}

template <int kVectors, int kMost>
void gemm_group(const float* a, std::ptrdiff_t stride, int tiles, int k, const float* w, float* m, std::ptrdiff_t m_stride) {
    while (tiles > 0) {
        int n = tiles < kMost ? tiles : kMost;
        const auto run = [&]<int kTiles>(auto&& self) ENLARGE_INLINE -> void {
            if constexpr (kTiles > 0) {
                if (n == kTiles) return gemm_tile<kVectors, kTiles>(a, stride, k, w, m, m_stride);
                self.template operator()<kTiles - 1>(self);
            }
        };
        run.template operator()<kMost>(run);
        a += n * stride;
        m += n * m_stride;
        tiles -= n;
    }
}

void product(const float* a, std::ptrdiff_t stride, int rows, int k, const float* w, int group, float* m, std::ptrdiff_t m_stride) {
    if (group == 1) return gemm_group<kBlockVectors, kPixels<kBlockVectors>>(a, stride, rows, k, w, m, m_stride);
    if (group == 2) return gemm_group<2 * kBlockVectors, kPixels<2 * kBlockVectors>>(a, stride, rows, k, w, m, m_stride);
    gemm_group<3 * kBlockVectors, kPixels<3 * kBlockVectors>>(a, stride, rows, k, w, m, m_stride);
}

void gemm(const float* a, int tiles, int k, const float* w, int group, float* m) {
    product(a, k, tiles, k, w, group, m, std::ptrdiff_t{group} * kLanes);
}

// acc[v][p] = the sum of pixel first + p.
template <int kVectors, int kTiles, class In>
ENLARGE_FORCE_INLINE void conv_sums(const Taps<In>& in, std::ptrdiff_t first, const float* w,
                                    vf (&acc)[kVectors][kTiles]) {
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) acc[v][p] = set1(0.0F);
#pragma GCC unroll 1
    for (int y = 0; y < in.height; ++y)
#pragma GCC unroll 1
        for (int r = 0; r < in.runs; ++r) {
            accumulate(acc, in.rows[y] + first * in.step + r * in.run_step, in.step, in.length, w, 128);
            w += std::ptrdiff_t{in.length} * kVectors * kWidth;
        }
}

// Sums of kTiles pixels, beside each other in `sums`.
template <int kVectors, int kTiles, class In>
ENLARGE_NOINLINE void conv_tile(const Taps<In>& in, std::ptrdiff_t first, const float* w, float* sums) {
    vf acc[kVectors][kTiles];
    conv_sums(in, first, w, acc);
    ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p)
        ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) store(sums + (p * kVectors + v) * kWidth, acc[v][p]);
}

// The same to the end while the sums are in registers: a slope, then kResiduals of the epilogue's residuals.
template <int kVectors, int kTiles, int kResiduals>
ENLARGE_NOINLINE void conv_tile_to_end(const Taps<float>& in, std::ptrdiff_t first, const float* w, const Epilogue& e,
                                       const Target<float>& to) {
    vf acc[kVectors][kTiles];
    conv_sums(in, first, w, acc);
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) {
        const vf bias = load(e.bias + v * kWidth), slope = load(e.slope + v * kWidth);
        float* out = to.out[0] + first * to.stride + v * kWidth;
        const float* from = kResiduals ? to.residual[0][0] + first * to.residual_stride[0] + v * kWidth : out;
        ENLARGE_UNROLL for (int p = 0; p < kTiles; ++p) {
            vf y = prelu(acc[v][p] + bias, slope);
            if constexpr (kResiduals == 1) {
                y = fma(set1(e.mix[0]), load(from), set1(e.keep[0]) * y);
                from += to.residual_stride[0];
            }
            store(out, y);
            out += to.stride;
        }
    }
}

template <int kKind, class Out>
void finish_pixels(const float* sums, int first, int n, int channels, const Epilogue& e, const Target<Out>& to) {
    for (int c = 0; c < channels; c += kWidth) {
        const vf bias = load(e.bias + c);
        const vf slope = kKind <= 1 ? load(e.slope + c) : bias;
        for (int p = 0; p < n; ++p)
            store(to.out[0] + (first + p) * to.stride + c,
                  finish<kKind>(load(sums + p * channels + c) + bias, e, slope, to, 0, first + p, c));
    }
}

// Calls run.operator()<n>(first) for all pixels, n at a time.
template <int kMost, class Run>
ENLARGE_FORCE_INLINE void for_tiles(int pixels, const Run& run) {
    for (int x = 0; x < pixels;) {
        const int n = pixels - x < kMost ? pixels - x : kMost;
        const auto some = [&]<int kTiles>(auto&& self) ENLARGE_INLINE -> void {
            if constexpr (kTiles > 0) {
                if (n == kTiles) return run.template operator()<kTiles>(x);
                self.template operator()<kTiles - 1>(self);
            }
        };
        some.template operator()<kMost>(some);
        x += n;
    }
}

template <int kVectors, int kResiduals>
void conv_group_to_end(const Taps<float>& in, const float* w, const Epilogue& e, const Target<float>& to) {
    for_tiles<kPixels<kVectors>>(to.width, [&]<int kTiles>(int x) ENLARGE_INLINE {
        conv_tile_to_end<kVectors, kTiles, kResiduals>(in, x, w, e, to);
    });
}

template <class In, class Out>
constexpr bool kAreFloats = false;
template <>
constexpr bool kAreFloats<float, float> = true;

template <class Out>
ENLARGE_FORCE_INLINE void finish_any(const float* sums, int first, int n, int channels, const Epilogue& e,
                                     const Target<Out>& to) {
    switch (kind_of(e)) {
        case 0:
            return finish_pixels<0>(sums, first, n, channels, e, to);
        case 1:
            return finish_pixels<1>(sums, first, n, channels, e, to);
        case 2:
            return finish_pixels<2>(sums, first, n, channels, e, to);
        default:
            return finish_pixels<3>(sums, first, n, channels, e, to);
    }
}

void finish_row(const float* sums, int group, const Epilogue& e, const Target<float>& to) {
    finish_any(sums, 0, to.width, group * kLanes, e, to);
}

template <int kVectors, class In, class Out>
void conv_group(const Taps<In>& in, const float* w, const Epilogue& e, const Target<Out>& to) {
    if constexpr (kAreFloats<In, Out>) {
        if (kind_of(e) == 0) return conv_group_to_end<kVectors, 0>(in, w, e, to);
        if (kind_of(e) == 1 && e.residuals == 1) return conv_group_to_end<kVectors, 1>(in, w, e, to);
    }
    alignas(64) float sums[kPixels<kVectors> * kVectors * kWidth];
    for_tiles<kPixels<kVectors>>(to.width, [&]<int kTiles>(int x) ENLARGE_INLINE {
        constexpr int kChannels = kVectors * kWidth;
        conv_tile<kVectors, kTiles>(in, x, w, sums);
        finish_any(sums, x, kTiles, kChannels, e, to);
    });
}

template <class In, class Out>
void conv(const Taps<In>& in, const float* w, int group, const Epilogue& e, const Target<Out>& to) {
    if (group == 1) return conv_group<kBlockVectors>(in, w, e, to);
    if (group == 2) return conv_group<2 * kBlockVectors>(in, w, e, to);
    conv_group<3 * kBlockVectors>(in, w, e, to);
}

// kPeakChains sums that do not depend on each other hide the latency of a multiply-add.
void fma_rounds(std::size_t rounds) {
    vf sums[kPeakChains];
    ENLARGE_UNROLL for (int i = 0; i < kPeakChains; ++i) sums[i] = set1(static_cast<float>(i));
    const vf a = set1(1e-3F), b = set1(0.5F);
#pragma GCC unroll 1
    for (std::size_t r = 0; r < rounds; ++r) {
        ENLARGE_UNROLL for (int i = 0; i < kPeakChains; ++i) add_product(sums[i], a, b);
    }
    ENLARGE_UNROLL for (int i = 0; i < kPeakChains; ++i) keep(sums[i]);
}
