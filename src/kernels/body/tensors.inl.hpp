// SPDX-License-Identifier: Apache-2.0
// What networks beyond convolutions compute: activations, norms, softmax, convolutions of single channels.

// x / 2 * (1 + erf(x / sqrt(2))) = max(x, 0) - |x| / 2 * (1 - erf(|x| / sqrt(2))), the latter within 2e-7 (Abramowitz and
// Stegun, 7.1.26).
ENLARGE_FORCE_INLINE vf gelu(vf x) {
    const vf zero = set1(0.0F), size = max(x, zero - x), z = size * set1(0.70710678F);
    const vf t = set1(1.0F) / fma(set1(0.3275911F), z, set1(1.0F));
    vf q = fma(set1(1.061405429F), t, set1(-1.453152027F));
    q = fma(q, t, set1(1.421413741F));
    q = fma(q, t, set1(-0.284496736F));
    q = fma(q, t, set1(0.254829592F));
    return max(x, zero) - size * set1(0.5F) * (q * t * exponential(zero - z * z));
}

ENLARGE_FORCE_INLINE vf gelu_tanh(vf x) {  // tanh(z) + 1 = 2 - 2 / (exp(2z) + 1)
    const vf z = x * fma(set1(0.044715F) * x, x, set1(1.0F)) * set1(0.79788456F);
    return x - x / (exponential(z + z) + set1(1.0F));
}

ENLARGE_FORCE_INLINE vf hyperbolic_tangent(vf x) {
    return set1(1.0F) - set1(2.0F) / (exponential(x + x) + set1(1.0F));
}

ENLARGE_FORCE_INLINE vf mish(vf x) {  // tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2); 1 long before e^2 is too large
    const vf e = exponential(min(x, set1(30.0F))), n = e * (e + set1(2.0F));
    return x * n / (n + set1(2.0F));
}

template <class Of>
ENLARGE_FORCE_INLINE void map_by(const float* x, std::size_t n, float* y, const Of& of) {
    in_blocks<kWidth>(x, n, y, [&](const float* from, float* to) ENLARGE_INLINE {
        const vf value = load(from);
        store(to, keep_nan(value, of(value)));
    });
}

void map_numbers(Map f, const float* x, std::size_t n, float* y) {
    switch (f) {
        case Map::gelu: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return gelu(v); });
        case Map::gelu_tanh: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return gelu_tanh(v); });
        case Map::mish: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return mish(v); });
        case Map::silu: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return v * sigmoid(v); });
        case Map::sigmoid: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return sigmoid(v); });
        case Map::tanh: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return hyperbolic_tangent(v); });
        case Map::exp: return map_by(x, n, y, [](vf v) ENLARGE_INLINE { return exponential(v); });
    }
}

// The sum of all numbers of a vector, in each of them.
ENLARGE_FORCE_INLINE vf sum_of(vf x) {
    using Places = std::int32_t __attribute__((vector_size(sizeof(vf))));
    ENLARGE_UNROLL for (int n = kWidth / 2; n > 0; n /= 2) {
        Places places{};
        ENLARGE_UNROLL for (int i = 0; i < kWidth; ++i) places[i] = (i + n) % kWidth;
        x = x + __builtin_shuffle(x, places);
    }
    return x;
}

void normalise(Norm norm, const float* x, std::ptrdiff_t stride, int pixels, int channels, float epsilon,
               const float* scale, const float* shift, float* y, std::ptrdiff_t y_stride) {
    const int whole = channels / kWidth * kWidth, padded = (channels + kLanes - 1) / kLanes * kLanes;
    const float count = static_cast<float>(channels);
    float ones[kWidth] = {}, rest[kWidth] = {};
    for (int i = 0; i < channels - whole; ++i) ones[i] = 1;
    const vf inside = load(ones);
    for (int p = 0; p < pixels; ++p, x += stride, y += y_stride) {
        for (int i = 0; i < channels - whole; ++i) rest[i] = x[whole + i];
        const vf last = load(rest);
        vf mean = set1(0.0F);
        if (norm == Norm::layer) {
            vf sum = last;
            for (int c = 0; c < whole; c += kWidth) sum = sum + load(x + c);
            mean = sum_of(sum) * set1(1 / count);
        }
        const vf off = (last - mean) * inside;
        vf squares = off * off;
        for (int c = 0; c < whole; c += kWidth) {
            const vf d = load(x + c) - mean;
            squares = fma(d, d, squares);
        }
        float sums[kWidth];
        store(sums, sum_of(squares));
        const float sum = sums[0];
        const float root = __builtin_sqrtf(norm == Norm::l2 ? sum : sum / count + epsilon);
        const vf by = set1(1 / (norm == Norm::l2 && root < epsilon ? epsilon : root));
        for (int c = 0; c < whole; c += kWidth)
            store(y + c, fma((load(x + c) - mean) * by, load(scale + c), load(shift + c)));
        if (whole < channels) store(y + whole, fma(off * by, load(scale + whole), load(shift + whole)));
        for (int c = whole < channels ? whole + kWidth : whole; c < padded; ++c) y[c] = 0;
    }
}

// kBlocks vectors of channels at a time: enough sums to hide how long one takes.
template <int kBlocks, bool kSquares>
void sum_channels(const float* x, std::ptrdiff_t stride, int pixels, const double* mean, double* sums) {
    using vd = double __attribute__((vector_size(2 * sizeof(vf)), aligned(8), may_alias));
    vd acc[kBlocks], off[kBlocks];
    ENLARGE_UNROLL for (int b = 0; b < kBlocks; ++b) {
        acc[b] = *reinterpret_cast<const vd*>(sums + b * kWidth);
        if constexpr (kSquares) off[b] = *reinterpret_cast<const vd*>(mean + b * kWidth);
    }
    for (int p = 0; p < pixels; ++p, x += stride)
        ENLARGE_UNROLL for (int b = 0; b < kBlocks; ++b) {
            vd value = __builtin_convertvector(load(x + b * kWidth), vd);
            if constexpr (kSquares) {
                value = value - off[b];
                value = value * value;
            }
            acc[b] = acc[b] + value;
        }
    ENLARGE_UNROLL for (int b = 0; b < kBlocks; ++b) *reinterpret_cast<vd*>(sums + b * kWidth) = acc[b];
}

void sum_pixels(const float* x, std::ptrdiff_t stride, int pixels, int channels, const double* mean, double* sums) {
    const auto blocks = [&]<int kBlocks>(int c) ENLARGE_INLINE {
        if (mean)
            sum_channels<kBlocks, true>(x + c, stride, pixels, mean + c, sums + c);
        else
            sum_channels<kBlocks, false>(x + c, stride, pixels, nullptr, sums + c);
    };
    int c = 0;
    for (; c + 2 * kWidth <= channels; c += 2 * kWidth) blocks.template operator()<2>(c);
    if (c < channels) blocks.template operator()<1>(c);
}

void softmax(float* x, int rows, int n, std::ptrdiff_t stride, float scale, const float* bias, std::ptrdiff_t bias_stride) {
    const vf factor = set1(scale);
    for (int row = 0; row < rows; ++row, x += stride, bias += bias_stride) {
        vf most = set1(-__builtin_inff());
        for (int i = 0; i < n; i += kWidth) {
            const vf y = fma(factor, load(x + i), load(bias + i));
            store(x + i, y);
            most = max(most, y);
        }
        float lanes[kWidth];
        store(lanes, most);
        float largest = lanes[0];
        for (int i = 1; i < kWidth; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
        vf sums = set1(0.0F);
        for (int i = 0; i < n; i += kWidth) {
            const vf value = load(x + i), e = keep_nan(value, exponential(value - set1(largest)));
            store(x + i, e);
            sums = sums + e;
        }
        const vf by = set1(1.0F) / sum_of(sums);
        for (int i = 0; i < n; i += kWidth) store(x + i, load(x + i) * by);
    }
}

// kPixels pixels beside each other, so that each weight is loaded once for all.
template <int kBeside>
ENLARGE_FORCE_INLINE void depthwise_pixels(const Taps<float>& in, std::ptrdiff_t at, const float* w, vf bias, int c, float* out,
                                  std::ptrdiff_t stride) {
    vf sums[kBeside];
    ENLARGE_UNROLL for (int p = 0; p < kBeside; ++p) sums[p] = bias;
    for (int y = 0; y < in.height; ++y)
        for (int r = 0; r < in.runs; ++r) {
            const vf weight = load(w + std::ptrdiff_t{y * in.runs + r} * in.length + c);
            const float* x = in.rows[y] + at + r * in.run_step + c;
            ENLARGE_UNROLL for (int p = 0; p < kBeside; ++p) sums[p] = fma(load(x + p * in.step), weight, sums[p]);
        }
    ENLARGE_UNROLL for (int p = 0; p < kBeside; ++p) store(out + p * stride + c, sums[p]);
}

void depthwise(const Taps<float>& in, const float* w, const float* bias, int pixels, float* out, std::ptrdiff_t stride) {
    constexpr int kMost = 8;
    for (int p = 0; p < pixels;) {
        const bool many = pixels - p >= kMost;
        for (int c = 0; c < in.length; c += kWidth) {
            const vf first = load(bias + c);
            if (many)
                depthwise_pixels<kMost>(in, p * in.step, w, first, c, out + p * stride, stride);
            else
                depthwise_pixels<1>(in, p * in.step, w, first, c, out + p * stride, stride);
        }
        p += many ? kMost : 1;
    }
}
