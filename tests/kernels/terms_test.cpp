// SPDX-License-Identifier: Apache-2.0
// Numbers as sums of bfloat16 terms, and their products: where there are kernels for them, and in plain loops.
#include <bit>

#include "kernel_check.hpp"

namespace enlarge::test {
namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

bool has_terms(const KernelTable& isa) { return isa.fast_terms || isa.name == kernels(Isa::scalar).name; }

double number(BFloat x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

// Sums of the terms of each channel of a row.
std::vector<double> sums_of(const BFloat* row, int channels, int terms) {
    std::vector<double> sums(static_cast<std::size_t>(channels));
    for (int p = 0; p < static_cast<int>(term_row(channels, 1)); ++p)
        for (int t = 0; t < terms; ++t)
            if (const int c = term_channel(p); c < channels)
                sums[static_cast<std::size_t>(c)] +=
                    number(row[(p / kTermBlock * terms + t) * kTermBlock + p % kTermBlock]);
    return sums;
}

// Weights of k places, packed a few at a time.
std::vector<BFloat> packed(const KernelTable& isa, const std::vector<float>& w, int k, int group, int terms) {
    const int width = group * isa.lanes;
    std::vector<BFloat> to(static_cast<std::size_t>(k * width * terms));
    for (int first = 0; first < k; first += 8)
        isa.weights_to_terms(w.data() + first * width, width, first, std::min(8, k - first), group, terms, to.data());
    return to;
}

// Weights of k channels.
std::vector<BFloat> packed_channels(const KernelTable& isa, const std::vector<float>& w, int k, int group, int terms) {
    const int width = group * isa.lanes;
    std::vector<float> places;
    for (int p = 0; p < k; ++p) {
        const auto from = w.begin() + term_channel(p) * width;
        places.insert(places.end(), from, from + width);
    }
    return packed(isa, places, k, group, terms);
}

// Of one position.
TermProduct product_of(const std::vector<BFloat>& a, const std::vector<BFloat>& w, float* m, std::ptrdiff_t m_stride,
                       int rows, int channels, int terms, int group) {
    TermProduct p;
    p.a = a.data();
    p.a_stride = term_row(channels, terms);
    p.w = w.data();
    p.m = m;
    p.m_stride = m_stride;
    p.rows = rows;
    p.channels = channels;
    p.terms = terms;
    p.group = group;
    return p;
}

TEST(kernels, places_of_a_row_of_terms_are_its_channels_in_turns) {
    std::vector<int> seen;
    for (int p = 0; p < 2 * kTermBlock; ++p) {
        const int c = term_channel(p);
        EXPECT_EQ(c / kTermBlock, p / kTermBlock) << p;
        EXPECT_EQ(c % (kTermBlock / 2), p % kTermBlock / 2) << p;
        seen.push_back(c);
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

KERNEL_CHECK(to_terms_f32) {
    if (!has_terms(isa)) return;
    Random random(31);
    for (const int terms : {2, 3})
        for (const int channels : {isa.lanes, 32, 48, 64, 192})
            for (const int rows : {1, 3}) {
                const int stride = channels + 5;
                const auto x = floats(random, static_cast<std::size_t>(rows * stride), -3, 3,
                                      {0.0F, -0.0F, 1.0F, 3e38F, -3e-30F, 1e-20F});
                const std::ptrdiff_t row = term_row(channels, terms);
                Guarded<BFloat> got(static_cast<std::size_t>(rows * row), 1);
                std::vector<BFloat> want(static_cast<std::size_t>(rows * row));
                isa.to_terms_f32(x.data(), stride, rows, channels, terms, got.data());
                got.check("to_terms_f32");
                ref.to_terms_f32(x.data(), stride, rows, channels, terms, want.data());
                expect_same_bits(want, got.values(), "to_terms_f32");
                for (int r = 0; r < rows; ++r) {
                    const std::vector<double> sums = sums_of(got.data() + r * row, channels, terms);
                    for (int c = 0; c < channels; ++c) {
                        const double number = x[static_cast<std::size_t>(r * stride + c)];
                        const double off = std::fabs(sums[static_cast<std::size_t>(c)] - number);
                        // Two terms have 16 bits; three hold what a float has.
                        ASSERT_LE(off, terms == 3 ? 0 : std::ldexp(std::fabs(number), -15)) << number;
                    }
                    for (std::ptrdiff_t i = 0; i < row; ++i) {
                        if (term_channel(i / kTermBlock / terms * kTermBlock + i % kTermBlock) >= channels) {
                            ASSERT_EQ(got[static_cast<std::size_t>(r * row + i)], 0) << i;
                        }
                    }
                }
            }
}

// What is no number, or too large for bfloat16, shows in the end.
KERNEL_CHECK(terms_of_what_is_not_finite_add_up_to_what_is_not) {
    if (!has_terms(isa)) return;
    std::vector<float> x(32, 0.5F);
    const std::vector<float> special = {
        kNan, -kNan, kInf, -kInf, std::bit_cast<float>(0x7FFFFFFFU), std::numeric_limits<float>::max()};
    std::copy(special.begin(), special.end(), x.begin());
    for (const int terms : {2, 3}) {
        std::vector<BFloat> row(static_cast<std::size_t>(term_row(32, terms)));
        isa.to_terms_f32(x.data(), 32, 1, 32, terms, row.data());
        const std::vector<double> sums = sums_of(row.data(), 32, terms);
        for (std::size_t i = 0; i < special.size(); ++i)
            // What is not rounded up stays finite.
            EXPECT_EQ(std::isfinite(sums[i]), terms == 2 && std::isfinite(special[i])) << terms << ": " << special[i];
        EXPECT_EQ(sums[special.size()], 0.5);
    }
}

float value(float x) { return x; }
float value(Half x) { return half_to_float(x); }

// Rows of random numbers for blocks beside each other, and the same numbers as floats.
template <class T>
struct Blocks {
    std::vector<std::vector<T>> rows;
    std::vector<std::vector<float>> plain;
    Window<T> window;
    Window<float> floats;
    Blocks(int blocks, int block, int channels, T (*feature)(Random&), Random& random) {
        window.step = floats.step = std::ptrdiff_t{block} * channels;
        for (int i = 0; i < block + 2; ++i) {
            rows.emplace_back(static_cast<std::size_t>((block * blocks + 2) * channels));
            for (T& x : rows.back()) x = feature(random);
            plain.emplace_back();
            for (const T x : rows.back()) plain.back().push_back(value(x));
            window.column[i] = floats.column[i] = std::ptrdiff_t{i} * channels;
        }
        for (std::size_t i = 0; i < rows.size(); ++i) {
            window.rows[i] = rows[i].data();
            floats.rows[i] = plain[i].data();
        }
    }
};

// V is that of the float kernel, as terms.
template <int kBlock, class T, class ToTerms, class Input>
void check_input_terms(const KernelTable& isa, ToTerms kernel, Input plain, T (*feature)(Random&)) {
    constexpr int kPositions = (kBlock + 2) * (kBlock + 2);
    Random random(32);
    for (const int terms : {2, 3})
        for (const int channels : {isa.lanes, 32, 48, 96})
            for (const int blocks : {1, 3}) {
                if (channels % isa.lanes) continue;
                const Blocks<T> in(blocks, kBlock, channels, feature, random);
                const std::ptrdiff_t row = term_row(channels, terms), pos_stride = blocks * row + 7;
                Guarded<BFloat> v(static_cast<std::size_t>((kPositions - 1) * pos_stride + blocks * row), 1);
                kernel(in.window, blocks, channels, terms, v.data(), pos_stride);
                v.check("winograd_input_terms");
                std::vector<float> want(static_cast<std::size_t>(kPositions * blocks * channels));
                plain(in.floats, blocks, channels, want.data(), std::ptrdiff_t{blocks} * channels);
                for (int p = 0; p < kPositions; ++p)
                    for (int b = 0; b < blocks; ++b) {
                        const std::vector<double> sums = sums_of(v.data() + p * pos_stride + b * row, channels, terms);
                        for (int c = 0; c < channels; ++c) {
                            const double number = want[static_cast<std::size_t>((p * blocks + b) * channels + c)];
                            ASSERT_LE(std::fabs(sums[static_cast<std::size_t>(c)] - number),
                                      terms == 3 ? 0 : std::ldexp(std::fabs(number), -15))
                                << p << ", " << c;
                        }
                    }
            }
}

float float_feature(Random& random) { return random.uniform(-2, 2); }
Half half_feature(Random& random) { return float_to_half(random.uniform(-2, 2)); }

KERNEL_CHECK(winograd_input_f32_terms) {
    if (has_terms(isa))
        check_input_terms<4>(isa, isa.winograd_input_f32_terms, isa.winograd_input_f32, float_feature);
}
KERNEL_CHECK(winograd_input_f16_terms) {
    if (has_terms(isa))
        check_input_terms<4>(isa, isa.winograd_input_f16_terms, isa.winograd_input_f32, half_feature);
}
KERNEL_CHECK(winograd6_input_f32_terms) {
    if (has_terms(isa))
        check_input_terms<6>(isa, isa.winograd6_input_f32_terms, isa.winograd6_input_f32, float_feature);
}
KERNEL_CHECK(winograd6_input_f16_terms) {
    if (has_terms(isa))
        check_input_terms<6>(isa, isa.winograd6_input_f16_terms, isa.winograd6_input_f32, half_feature);
}

KERNEL_CHECK(weights_to_terms) {
    if (!has_terms(isa)) return;
    Random random(33);
    for (const int terms : {2, 3})
        for (const int group : {1, 2, 3})
            for (const int k : {32, 96}) {
                const int width = group * isa.lanes;
                const auto w = floats(random, static_cast<std::size_t>(k * width), -1, 1);
                const std::vector<BFloat> to = packed(isa, w, k, group, terms);
                for (int c = 0; c < k; ++c)
                    for (int n = 0; n < width; ++n) {
                        double sum = 0;
                        for (int t = 0; t < terms; ++t)
                            sum += number(to[static_cast<std::size_t>(
                                (((c / kTermBlock * terms + t) * group + n / isa.lanes) * kTermBlock / 2 +
                                 c % kTermBlock / 2) *
                                    2 * isa.lanes +
                                n % isa.lanes * 2 + c % 2)]);
                        const double want = w[static_cast<std::size_t>(c * width + n)];
                        ASSERT_LE(std::fabs(sum - want), terms == 3 ? 0 : std::ldexp(std::fabs(want), -15))
                            << c << ", " << n;
                    }
            }
}

// Three terms are as exact as products of floats; two have 16 bits of each factor.
KERNEL_CHECK(product_terms) {
    if (!has_terms(isa)) return;
    Random random(34);
    for (const int terms : {2, 3})
        for (const int group : {1, 2, 3})
            for (const int k : {32, 64, 192})
                for (const int rows : {1, 15, 16, 17, 32, 45, 64}) {
                    const int positions = rows < 20 ? 3 : 1, width = group * isa.lanes, all = (rows + 31) / 32 * 32;
                    const auto x = floats(random, static_cast<std::size_t>(positions * all * k), -2, 2);
                    const auto w = floats(random, static_cast<std::size_t>(positions * k * width), -1, 1);
                    const std::ptrdiff_t row = term_row(k, terms);
                    std::vector<BFloat> a(static_cast<std::size_t>(positions * all * row)), weights;
                    isa.to_terms_f32(x.data(), k, positions * all, k, terms, a.data());
                    for (int q = 0; q < positions; ++q) {
                        const auto from = w.begin() + q * k * width;
                        const std::vector<BFloat> one = packed_channels(isa, {from, from + k * width}, k, group, terms);
                        weights.insert(weights.end(), one.begin(), one.end());
                    }
                    const int m_stride = width + 16, read = (rows + kTermRows - 1) / kTermRows * kTermRows;
                    Guarded<float> m(static_cast<std::size_t>((positions * all - (all - read)) * m_stride - 16));
                    TermProduct p = product_of(a, weights, m.data(), m_stride, rows, k, terms, group);
                    p.a_position = all * row;
                    p.w_position = row * width;
                    p.m_position = std::ptrdiff_t{all} * m_stride;
                    p.positions = positions;
                    isa.product_terms(p);
                    m.check("product_terms");
                    for (int q = 0; q < positions; ++q)
                        for (int r = 0; r < rows; ++r)
                            for (int n = 0; n < width; ++n) {
                                double want = 0, size = 0;
                                for (int c = 0; c < k; ++c) {
                                    const double term =
                                        static_cast<double>(x[static_cast<std::size_t>((q * all + r) * k + c)]) *
                                        static_cast<double>(w[static_cast<std::size_t>((q * k + c) * width + n)]);
                                    want += term;
                                    size += std::fabs(term);
                                }
                                const double bound = terms == 3 ? k * kEpsilon : k * kEpsilon + std::ldexp(3.0, -15);
                                ASSERT_LE(std::fabs(m[static_cast<std::size_t>((q * all + r) * m_stride + n)] - want),
                                          bound * size)
                                    << terms << " terms, row " << r << ", output " << n;
                            }
                }
}

KERNEL_CHECK(product_terms_gives_the_same_bits_for_any_number_of_rows) {
    if (!has_terms(isa)) return;
    Random random(35);
    const int k = 64, group = 2, width = group * isa.lanes, rows = 64;
    const auto x = floats(random, static_cast<std::size_t>(rows * k), -2, 2),
               w = floats(random, static_cast<std::size_t>(k * width), -1, 1);
    for (const int terms : {2, 3}) {
        const std::vector<BFloat> weights = packed_channels(isa, w, k, group, terms);
        const auto product = [&](int first, int count) {
            std::vector<BFloat> a(static_cast<std::size_t>(64 * term_row(k, terms)));
            isa.to_terms_f32(x.data() + first * k, k, count, k, terms, a.data());
            std::vector<float> m(static_cast<std::size_t>(64 * width));
            const TermProduct p = product_of(a, weights, m.data(), width, count, k, terms, group);
            isa.product_terms(p);
            m.resize(static_cast<std::size_t>(count * width));
            return m;
        };
        const std::vector<float> all = product(0, rows);
        for (const int count : {1, 16, 17, 33})
            for (int first = 0; first + count <= rows; first += 11) {
                const auto from = all.begin() + first * width;
                expect_same_bits({from, from + count * width}, product(first, count), "rows " + std::to_string(first));
            }
    }
}

// All groups of outputs in one call, each position's results where the rows of the position before were: the same bits
// as one group and position after another.
KERNEL_CHECK(product_terms_of_groups_in_place_of_what_they_read) {
    if (!has_terms(isa)) return;
    Random random(37);
    const int k = 64, positions = 3, rows = 32;
    for (const int terms : {2, 3})
        for (const int group : {1, 2, 3})
            for (const int groups : {1, 2, 3}) {
                const int one = group * isa.lanes, width = groups * one;
                const std::ptrdiff_t row = term_row(k, terms);
                const auto x = floats(random, static_cast<std::size_t>(positions * rows * k), -2, 2);
                std::vector<BFloat> a(static_cast<std::size_t>(positions * rows * row)), weights;
                isa.to_terms_f32(x.data(), k, positions * rows, k, terms, a.data());
                for (int i = 0; i < positions * groups; ++i) {
                    const auto w = floats(random, static_cast<std::size_t>(k * one), -1, 1);
                    const std::vector<BFloat> next = packed_channels(isa, w, k, group, terms);
                    weights.insert(weights.end(), next.begin(), next.end());
                }
                // In numbers of two bytes: a position's rows, or its results.
                const std::ptrdiff_t slot = std::max(rows * row, std::ptrdiff_t{2} * rows * width);
                Guarded<float> memory(static_cast<std::size_t>((positions + 1) * slot / 2), 1);
                auto* const halves = reinterpret_cast<BFloat*>(memory.data());
                for (int q = 0; q < positions; ++q)
                    std::copy_n(a.begin() + q * rows * row, rows * row, halves + (q + 1) * slot);
                TermProduct p = product_of(a, weights, memory.data(), width, rows, k, terms, group);
                p.a = halves + slot;
                p.a_position = slot;
                p.m_position = slot / 2;
                p.positions = positions;
                p.groups = groups;
                p.w_group = row * one;
                p.w_position = groups * p.w_group;
                isa.product_terms(p);
                memory.check("product_terms");
                for (int q = 0; q < positions; ++q)
                    for (int g = 0; g < groups; ++g) {
                        std::vector<float> want(static_cast<std::size_t>(rows * one)), got;
                        TermProduct alone = product_of(a, weights, want.data(), one, rows, k, terms, group);
                        alone.a += q * rows * row;
                        alone.w += (q * groups + g) * row * one;
                        isa.product_terms(alone);
                        for (int r = 0; r < rows; ++r) {
                            const float* const from = memory.data() + q * slot / 2 + r * width + g * one;
                            got.insert(got.end(), from, from + one);
                        }
                        expect_same_bits(want, got, "position " + std::to_string(q) + ", group " + std::to_string(g));
                    }
            }
}

KERNEL_CHECK(finish_f32) {
    Random random(36);
    for (const int group : {1, 2, 3})
        for (const Activation activation : {Activation::prelu, Activation::silu, Activation::gate})
            for (const int pixels : {1, 5}) {
                const int width = group * isa.lanes, stride = width + 3;
                const auto sums = floats(random, static_cast<std::size_t>(pixels * width), -2, 2);
                const auto bias = floats(random, static_cast<std::size_t>(width), -1, 1),
                           slope = floats(random, bias.size(), 0, 1);
                const auto residual = floats(random, static_cast<std::size_t>(pixels * stride), -1, 1);
                Epilogue e;
                e.bias = bias.data();
                e.slope = slope.data();
                e.activation = activation;
                e.residuals = activation == Activation::gate ? 0 : 1;
                e.keep[0] = 0.5F;
                e.mix[0] = 2;
                Guarded<float> out(std::vector<float>(static_cast<std::size_t>(pixels * stride), 7.0F), 1);
                Target<float> to;
                to.out[0] = out.data();
                to.stride = stride;
                to.residual[0][0] = residual.data();
                to.residual_stride[0] = stride;
                to.width = pixels;
                to.height = 1;
                isa.finish_f32(sums.data(), group, e, to);
                out.check("finish_f32");
                for (int p = 0; p < pixels; ++p)
                    for (int n = 0; n < stride; ++n) {
                        const auto at = static_cast<std::size_t>(p * stride + n);
                        double want = 7;
                        if (n < width) {
                            const auto c = static_cast<std::size_t>(n);
                            const double y = sums[static_cast<std::size_t>(p * width + n)] + bias[c],
                                         s = 1 / (1 + std::exp(-y)), r = residual[at];
                            const double active = activation == Activation::silu ? y * s : y < 0 ? slope[c] * y : y;
                            want = activation == Activation::gate ? (y + r) * (s - 0.5) : 0.5 * active + 2 * r;
                        }
                        ASSERT_NEAR(out[at], want, 1e-5) << p << ", " << n;
                    }
            }
}

}  // namespace
}  // namespace enlarge::test
