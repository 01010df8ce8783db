// SPDX-License-Identifier: Apache-2.0
// Convolutions of large kernels, a channel's blocks beside each other in the vectors: what a block reads one part of
// the kernel further lies some numbers further, and nothing is moved.

// Each number of a in turns with one of b, from the first of their lower or upper halves on.
template <bool kUpper>
ENLARGE_FORCE_INLINE vf in_turns(vf a, vf b) {
    using Places = std::int32_t __attribute__((vector_size(sizeof(vf))));
    Places places{};
    ENLARGE_UNROLL for (int i = 0; i < kWidth; ++i)
        places[i] = i / 2 + (kUpper ? kWidth / 2 : 0) + i % 2 * kWidth;
    return __builtin_shuffle(a, b, places);
}

// Rows and columns of a square exchanged.
ENLARGE_FORCE_INLINE void turn(vf (&rows)[kWidth]) {
    ENLARGE_UNROLL for (int n = 1; n < kWidth; n *= 2) {
        vf turned[kWidth];
        ENLARGE_UNROLL for (int i = 0; i < kWidth / 2; ++i) {
            turned[2 * i] = in_turns<false>(rows[i], rows[i + kWidth / 2]);
            turned[2 * i + 1] = in_turns<true>(rows[i], rows[i + kWidth / 2]);
        }
        ENLARGE_UNROLL for (int i = 0; i < kWidth; ++i) rows[i] = turned[i];
    }
}

// In squares, the last ones over the ones before where sides are no multiples.
void transpose(const float* const* from, int rows, int columns, float scale, float* const* to) {
    if (rows < kWidth || columns < kWidth) {
        for (int r = 0; r < rows; ++r)
            for (int c = 0; c < columns; ++c) to[c][r] = from[r][c] * scale;
        return;
    }
    const vf by = set1(scale);
    for (int next_r = 0; next_r < rows; next_r += kWidth) {
        const int r = next_r < rows - kWidth ? next_r : rows - kWidth;
        for (int next_c = 0; next_c < columns; next_c += kWidth) {
            const int c = next_c < columns - kWidth ? next_c : columns - kWidth;
            vf square[kWidth];
            ENLARGE_UNROLL for (int i = 0; i < kWidth; ++i) square[i] = load(from[r + i] + c);
            turn(square);
            ENLARGE_UNROLL for (int i = 0; i < kWidth; ++i) store(to[c + i] + r, square[i] * by);
        }
    }
}

void winograd_lines(const float* const* from, std::size_t n, float* const* to) {
    for (std::size_t i = 0; i < n; i += kWidth) {
        vf d[6], o[6];
        ENLARGE_UNROLL for (int k = 0; k < 6; ++k) d[k] = load(from[k] + i);
        transform_input(d, o);
        ENLARGE_UNROLL for (int k = 0; k < 6; ++k) store(to[k] + i, o[k]);
    }
}

template <int kVectors, int kOuts>
ENLARGE_NOINLINE void plane_tile(const Planes& in, std::ptrdiff_t first, const float* u, std::ptrdiff_t u_stride,
                                 bool add, float* m, std::ptrdiff_t m_stride) {
    vf acc[kVectors][kOuts];
    ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v)
        ENLARGE_UNROLL for (int p = 0; p < kOuts; ++p) acc[v][p] = set1(0.0F);
#pragma GCC unroll 1
    for (int t = 0; t < in.taps; ++t) {
        const float* x = in.tap[t] + first;
#pragma GCC unroll 1
        for (int c = 0; c < in.channels; ++c, x += in.stride, ++u) {
            vf block[kVectors];
            ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) block[v] = load(x + v * kWidth);
            const float* weight = u;
            ENLARGE_UNROLL for (int p = 0; p < kOuts; ++p, weight += u_stride) {
                const vf value = broadcast(weight);
                ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v) add_product(acc[v][p], value, block[v]);
            }
        }
    }
    ENLARGE_UNROLL for (int p = 0; p < kOuts; ++p, m += m_stride) ENLARGE_UNROLL for (int v = 0; v < kVectors; ++v)
        store(m + v * kWidth, add ? load(m + v * kWidth) + acc[v][p] : acc[v][p]);
}

void planes(const Planes& in, int blocks, const float* u, int outs, bool add, float* m, std::ptrdiff_t m_stride) {
    const std::ptrdiff_t u_stride = std::ptrdiff_t{in.taps} * in.channels;
    const auto some = [&]<int kVectors>(int first) ENLARGE_INLINE {
        constexpr int kOuts = kPixels<kVectors> >= 8 ? 8 : 4;  // a divisor of kLanes
        for (int o = 0; o < outs; o += kOuts)
            plane_tile<kVectors, kOuts>(in, first, u + o * u_stride, u_stride, add, m + o * m_stride + first, m_stride);
    };
    for (int first = 0; first < blocks; first += kMaxGroup * kLanes) {
        if (blocks - first > 2 * kLanes)
            some.template operator()<3 * kBlockVectors>(first);
        else if (blocks - first > kLanes)
            some.template operator()<2 * kBlockVectors>(first);
        else
            some.template operator()<kBlockVectors>(first);
    }
}
