// SPDX-License-Identifier: Apache-2.0
// Activations, the end of a picture and conversions: loops the compiler widens, and a few vectors by hand.

// e^r for r in +-ln2/2: a polynomial of degree 6.
ENLARGE_FORCE_INLINE vf exponential_near_zero(vf r) {
    vf p = set1(1.0F / 720.0F);
    p = fma(p, r, set1(1.0F / 120.0F));
    p = fma(p, r, set1(1.0F / 24.0F));
    p = fma(p, r, set1(1.0F / 6.0F));
    p = fma(p, r, set1(0.5F));
    p = fma(p, r, set1(1.0F));
    return fma(p, r, set1(1.0F));
}

// What is left of x without n times ln2 (Cody and Waite).
ENLARGE_FORCE_INLINE vf without_ln2(vf x, vf n) {
    return fma(n, set1(2.12194440e-4F), fma(n, set1(-0.693359375F), x));
}

// exp(x) for |x| <= 87, within 2 ulp: 2^n * e^r with r in +-ln2/2.
ENLARGE_FORCE_INLINE vf exponential(vf x) {
    x = min(max(x, set1(-87.0F)), set1(87.0F));
    const vf n = round_even(x * set1(1.44269504F));
    return times_power_of_two(exponential_near_zero(without_ln2(x, n)), n);
}

// 1 / (1 + exp(-x)); NaN stays NaN.
ENLARGE_FORCE_INLINE vf sigmoid(vf x) {
    const vf y = set1(1.0F) / (set1(1.0F) + exponential(set1(0.0F) - x));
    return keep_nan(x, y);
}

void leaky_relu(float* x, std::size_t n, float slope) {
    std::size_t i = 0;
    for (; i + kWidth <= n; i += kWidth) store(x + i, prelu(load(x + i), set1(slope)));
    for (; i < n; ++i) x[i] = x[i] < 0 ? slope * x[i] : x[i];
}

template <int kRun>
void shuffle_line_run(const float* x, std::ptrdiff_t stride, int pixels, int run, int channels, const float* base,
                      float* line) {
    const int n = kRun ? kRun : run;
    for (int p = 0; p < pixels; ++p) {
        const float* from = x + p * stride;
        float* to = line + std::ptrdiff_t{p} * n;
        if (base) {
            float pattern[12];
            for (int i = 0; i < 12; ++i) pattern[i] = base[4 * p + (channels == 3 ? i % 3 : i % channels)];
            for (int i = 0; i < n; ++i) to[i] = from[i] + pattern[i % 12];
        } else {
            for (int i = 0; i < n; ++i) to[i] = from[i];
        }
    }
}

void shuffle_line(const float* x, std::ptrdiff_t stride, int pixels, int run, int channels, const float* base,
                  float* line) {
    if (run == 12) return shuffle_line_run<12>(x, stride, pixels, run, channels, base, line);
    if (run == 6) return shuffle_line_run<6>(x, stride, pixels, run, channels, base, line);
    shuffle_line_run<0>(x, stride, pixels, run, channels, base, line);
}

bool all_finite(const float* x, std::size_t n) {
    vf sum = set1(0.0F);  // x * 0 is NaN for NaN and infinity, else 0
    std::size_t i = 0;
    for (; i + kWidth <= n; i += kWidth) sum = fma(load(x + i), set1(0.0F), sum);
    float lanes[kWidth];
    store(lanes, sum);
    float rest = 0;
    for (; i < n; ++i) rest += x[i] * 0.0F;
    for (int k = 0; k < kWidth; ++k) rest += lanes[k];
    return rest == 0.0F;
}
