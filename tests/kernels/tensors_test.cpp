// SPDX-License-Identifier: Apache-2.0
// What networks beyond convolutions use: against the plain loops, within what each kernel promises.
#include "kernel_check.hpp"

namespace enlarge::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> random_numbers(Random& random, std::size_t n, float most) {
    std::vector<float> x(n);
    for (float& value : x) value = random.uniform(-most, most);
    return x;
}

KERNEL_CHECK(map_f32) {
    Random random(1);
    for (const Map f : {Map::gelu, Map::gelu_tanh, Map::mish, Map::silu, Map::sigmoid, Map::tanh, Map::exp})
        for (const std::size_t n : sizes())
            for (const float most : {1.0F, 8.0F, 60.0F}) {
                std::vector<float> x = random_numbers(random, n, most);
                if (n > 5) x[0] = 0, x[1] = -0.0F, x[2] = 1e4F, x[3] = -1e4F, x[4] = kNan;
                Guarded<float> want(n), got(n, n % 7);
                ref.map_f32(f, x.data(), n, want.data());
                isa.map_f32(f, x.data(), n, got.data());
                got.check("map_f32");
                for (std::size_t i = 0; i < n; ++i) {
                    const double expected = want[i], bound = 1e-6 * std::max(1.0, std::fabs(expected));
                    if (std::isnan(x[i]))
                        EXPECT_TRUE(std::isnan(got[i])) << static_cast<int>(f);
                    else
                        ASSERT_NEAR(got[i], expected, bound) << static_cast<int>(f) << " of " << x[i];
                }
                isa.map_f32(f, x.data(), n, x.data());
                for (std::size_t i = 0; i < n; ++i) EXPECT_TRUE(x[i] == got[i] || std::isnan(x[i])) << "in place";
            }
}

KERNEL_CHECK(norm_f32) {
    Random random(2);
    for (const Norm norm : {Norm::layer, Norm::rms, Norm::l2})
        for (const int channels : {1, 3, 10, 16, 48, 60, 180}) {
            const int padded = (channels + isa.lanes - 1) / isa.lanes * isa.lanes, stride = padded + 5, pixels = 7;
            std::vector<float> scale = random_numbers(random, static_cast<std::size_t>(padded), 2),
                               shift = random_numbers(random, static_cast<std::size_t>(padded), 2);
            for (int c = channels; c < padded; ++c) scale[static_cast<std::size_t>(c)] = shift[static_cast<std::size_t>(c)] = 0;
            const std::vector<float> x = random_numbers(random, static_cast<std::size_t>(pixels * stride), 3);
            const std::size_t n = static_cast<std::size_t>((pixels - 1) * stride + padded);
            Guarded<float> want(n + 16), got(n, 3);
            ref.norm_f32(norm, x.data(), stride, pixels, channels, 1e-5F, scale.data(), shift.data(), want.data(), stride);
            isa.norm_f32(norm, x.data(), stride, pixels, channels, 1e-5F, scale.data(), shift.data(), got.data(), stride);
            got.check("norm_f32");
            for (int p = 0; p < pixels; ++p)
                for (int c = 0; c < channels; ++c) {
                    const auto i = static_cast<std::size_t>(p * stride + c);
                    ASSERT_NEAR(got[i], want[i], 3e-6 * std::max(1.0F, std::fabs(want[i]))) << channels << " channels";
                }
            for (int p = 0; p < pixels; ++p)
                for (int c = channels; c < padded; ++c) EXPECT_EQ(got[static_cast<std::size_t>(p * stride + c)], 0);
        }
}

KERNEL_CHECK(norm_f32_says_what_is_no_number) {
    std::vector<float> x(static_cast<std::size_t>(isa.lanes), 1), ones(x.size(), 1), zeros(x.size(), 0), y(x.size());
    for (const float bad : {kNan, kInf}) {
        x[1] = bad;
        isa.norm_f32(Norm::layer, x.data(), 0, 1, isa.lanes, 1e-5F, ones.data(), zeros.data(), y.data(), 0);
        EXPECT_FALSE(isa.all_finite_f32(y.data(), y.size()));
    }
}

KERNEL_CHECK(softmax_f32) {
    Random random(3);
    for (const int channel_blocks : {1, 2, 7, 8}) {
        const int n = channel_blocks * isa.lanes, stride = n + 3, rows = 5;
        std::vector<float> x = random_numbers(random, static_cast<std::size_t>(rows * stride), 20);
        for (int i = 0; i < 3; ++i) x[static_cast<std::size_t>(n - 1 - i)] = -1e30F;
        const std::vector<float> bias = random_numbers(random, static_cast<std::size_t>(rows * (n + 1)), 5);
        Guarded<float> want(x), got(x, 5);
        ref.softmax_f32(want.data(), rows, n, stride, 0.3F, bias.data(), n + 1);
        isa.softmax_f32(got.data(), rows, n, stride, 0.3F, bias.data(), n + 1);
        got.check("softmax_f32");
        for (int row = 0; row < rows; ++row)
            for (int i = 0; i < stride; ++i) {
                const auto at = static_cast<std::size_t>(row * stride + i);
                if (i < n)
                    ASSERT_NEAR(got[at], want[at], 1e-6) << n;
                else
                    EXPECT_EQ(got[at], x[at]) << "beyond the row";
            }
    }
}

// Memory of an attention of one strip: queries by channel, rows of a key and its value, a table of biases.
struct AttentionCase {
    AttentionCase(Random& random, const KernelTable& isa, int keys, int channels)
        : wide(2 * isa.lanes),
          count(keys),
          size(channels),
          stride(2 * channels + 3),
          bias_stride(wide + 5),
          q(random_numbers(random, static_cast<std::size_t>(channels * wide), 2)),
          rows(random_numbers(random, static_cast<std::size_t>(keys * stride), 2)),
          biases(random_numbers(random, static_cast<std::size_t>(keys * bias_stride), 3)) {
        for (int j = 0; j < keys; ++j) bias.push_back(biases.data() + std::ptrdiff_t{(j * 7) % keys} * bias_stride);
    }
    std::vector<float> run(const KernelTable& table, std::size_t misaligned) {
        Guarded<float> scores(static_cast<std::size_t>(count * wide), misaligned),
            out(static_cast<std::size_t>(size * wide), misaligned);
        table.attention_f32(q.data(), rows.data(), rows.data() + size, stride, count, size, bias.data(), 3,
                            scores.data(), out.data());
        scores.check("attention_f32, scores");
        out.check("attention_f32");
        return out.values();
    }
    // What query i takes of channel c, in double precision.
    [[nodiscard]] double expected(int c, int i) const {
        std::vector<double> scores;
        for (int j = 0; j < count; ++j) {
            double score = bias[static_cast<std::size_t>(j)][3 + i];
            for (int k = 0; k < size; ++k)
                score +=
                    double{q[static_cast<std::size_t>(k * wide + i)]} * rows[static_cast<std::size_t>(j * stride + k)];
            scores.push_back(score);
        }
        const double largest = *std::max_element(scores.begin(), scores.end());
        double sum = 0, mean = 0;
        for (int j = 0; j < count; ++j) {
            const double share = std::exp(scores[static_cast<std::size_t>(j)] - largest);
            sum += share;
            mean += share * rows[static_cast<std::size_t>(j * stride + size + c)];
        }
        return mean / sum;
    }
    int wide, count, size;
    std::ptrdiff_t stride, bias_stride;
    std::vector<float> q, rows, biases;
    std::vector<const float*> bias;
};

KERNEL_CHECK(attention_f32) {
    Random random(6);
    for (const int keys : {1, 5, 6, 13, 64, 144})
        for (const int size : {1, 4, 10, 16, 30, 33}) {
            AttentionCase one(random, isa, keys, size);
            const std::vector<float> got = one.run(isa, static_cast<std::size_t>(keys % 3));
            for (int c = 0; c < size; ++c)
                for (int i = 0; i < one.wide; ++i)
                    ASSERT_NEAR(got[static_cast<std::size_t>(c * one.wide + i)], one.expected(c, i), 2e-5)
                        << keys << " keys of " << size;
        }
}

KERNEL_CHECK(attention_f32_does_not_depend_on_what_lies_beside_a_query) {
    Random random(7);
    AttentionCase one(random, isa, 30, 12), other = one;
    other.bias.clear();
    for (int j = 0; j < 30; ++j)
        other.bias.push_back(other.biases.data() + std::ptrdiff_t{(j * 7) % 30} * other.bias_stride);
    for (int c = 0; c < 12; ++c)
        for (int i = 1; i < one.wide; ++i) other.q[static_cast<std::size_t>(c * one.wide + i)] = 1;
    other.q[5] = kNan;
    const std::vector<float> want = one.run(isa, 0), got = other.run(isa, 1);
    for (int c = 0; c < 12; ++c) {
        const auto row = static_cast<std::size_t>(c * one.wide);
        EXPECT_EQ(std::memcmp(&want[row], &got[row], sizeof(float)), 0) << "query 0";
        EXPECT_TRUE(std::isnan(got[row + 5])) << "what is no number stays none";
    }
}

KERNEL_CHECK(transpose_f32) {
    Random random(31);
    for (const int rows : {1, 5, 8, 16, 30, 33})
        for (const int columns : {1, 7, 10, 16, 24, 35}) {
            const auto down = static_cast<std::size_t>(rows), across = static_cast<std::size_t>(columns);
            const std::vector<float> x = random_numbers(random, down * (across + 3), 1);
            Guarded<float> got(across * (down + 2), 1);
            const std::vector<float> before = got.values();
            std::vector<const float*> from;
            std::vector<float*> to;
            for (std::size_t r = 0; r < down; ++r) from.push_back(x.data() + r * (across + 3));
            for (std::size_t c = 0; c < across; ++c) to.push_back(got.data() + c * (down + 2));
            isa.transpose_f32(from.data(), rows, columns, 0.7F, to.data());
            got.check("transpose_f32");
            for (std::size_t c = 0; c < across; ++c)
                for (std::size_t r = 0; r < down + 2; ++r) {
                    const std::size_t at = c * (down + 2) + r;
                    if (r < down)
                        ASSERT_EQ(got[at], from[r][c] * 0.7F) << rows << "x" << columns << ": " << r << ", " << c;
                    else
                        EXPECT_EQ(std::memcmp(&got[at], &before[at], sizeof(float)), 0) << "between columns";
                }
        }
}

KERNEL_CHECK(winograd_lines_f32) {
    Random random(32);
    for (const int blocks : {1, 3}) {
        const auto n = static_cast<std::size_t>(blocks * isa.lanes);
        const std::vector<float> x = random_numbers(random, 7 * n, 1);
        std::vector<Guarded<float>> got, want;
        const float* from[6];
        float *to[6], *expected[6];
        for (std::size_t k = 0; k < 6; ++k) {
            from[k] = x.data() + k * n + (k == 3 ? 1 : 0);  // shifted lines are read, too
            got.emplace_back(n, k);
            want.emplace_back(n);
        }
        for (std::size_t k = 0; k < 6; ++k) {
            to[k] = got[k].data();
            expected[k] = want[k].data();
        }
        isa.winograd_lines_f32(from, n, to);
        ref.winograd_lines_f32(from, n, expected);
        for (std::size_t k = 0; k < 6; ++k) {
            got[k].check("winograd_lines_f32");
            expect_close(want[k].values(), got[k].values(), 0, 2e-6F, "line " + std::to_string(k));
        }
    }
}

KERNEL_CHECK(planes_f32) {
    Random random(33);
    for (const int vectors : {1, 2, 3, 5})
        for (const int outs : {isa.lanes, 3 * isa.lanes})
            for (const bool add : {false, true}) {
                const int blocks = vectors * isa.lanes - 3, room = vectors * isa.lanes, channels = isa.lanes, taps = 3;
                const std::ptrdiff_t stride = room + 5, m_stride = room + 2;
                const std::vector<float> x =
                    random_numbers(random, static_cast<std::size_t>(stride * channels + room), 1);
                const std::vector<float> u =
                    random_numbers(random, static_cast<std::size_t>(outs * taps * channels), 1);
                const float* const tap[] = {x.data(), x.data() + 1, x.data() + 4};
                const std::vector<float> m = random_numbers(random, static_cast<std::size_t>(outs * m_stride), 1);
                Guarded<float> got(m, 3);
                isa.planes_f32({tap, taps, stride, channels}, blocks, u.data(), outs, add, got.data(), m_stride);
                got.check("planes_f32");
                for (int o = 0; o < outs; ++o)
                    for (int b = 0; b < blocks; ++b) {
                        const auto at = static_cast<std::size_t>(o * m_stride + b);
                        double sum = add ? m[at] : 0;
                        for (int t = 0; t < taps; ++t)
                            for (int c = 0; c < channels; ++c)
                                sum += double{u[static_cast<std::size_t>((o * taps + t) * channels + c)]} *
                                       tap[t][c * stride + b];
                        ASSERT_NEAR(got[at], sum, 1e-5) << vectors << " vectors, output " << o << ", block " << b;
                    }
                for (int o = 0; o < outs; ++o)
                    for (int b = room; b < m_stride; ++b) {
                        const auto at = static_cast<std::size_t>(o * m_stride + b);
                        EXPECT_EQ(got[at], m[at]) << "between outputs";
                    }
            }
}

// In order and in double precision: the same bits on every instruction set.
KERNEL_CHECK(sum_f32_f64) {
    Random random(34);
    for (const int blocks : {1, 2, 5})
        for (const bool squares : {false, true}) {
            const int channels = blocks * isa.lanes, pixels = 21;
            const std::ptrdiff_t stride = channels + 3;
            const std::vector<float> x = random_numbers(random, static_cast<std::size_t>(pixels * stride), 2);
            std::vector<double> mean, start;
            for (int c = 0; c < channels; ++c) {
                mean.push_back(random.floats(1, -1, 1)[0]);
                start.push_back(random.floats(1, -1, 1)[0]);
            }
            Guarded<double> want(start), got(start, 1);
            ref.sum_f32_f64(x.data(), stride, pixels, channels, squares ? mean.data() : nullptr, want.data());
            isa.sum_f32_f64(x.data(), stride, pixels, channels, squares ? mean.data() : nullptr, got.data());
            got.check("sum_f32_f64");
            expect_same_bits(want.values(), got.values(), "sums");
        }
}

KERNEL_CHECK(product_f32) {
    Random random(5);
    for (const int group : {1, 2, 3})
        for (const int rows : {1, 6, 17})
            for (const int k : {1, 10, 64}) {
                const int width = group * isa.lanes, stride = k + 3, m_stride = width + 5;
                const std::vector<float> a = random_numbers(random, static_cast<std::size_t>(rows * stride), 1),
                                         w = random_numbers(random, static_cast<std::size_t>(k * width), 1);
                const auto n = static_cast<std::size_t>((rows - 1) * m_stride + width);
                Guarded<float> got(n, 2);
                const std::vector<float> before = got.values();
                isa.product_f32(a.data(), stride, rows, k, w.data(), group, got.data(), m_stride);
                got.check("product_f32");
                for (int t = 0; t < rows; ++t)
                    for (int i = 0; i < m_stride && static_cast<std::size_t>(t * m_stride + i) < n; ++i) {
                        const auto at = static_cast<std::size_t>(t * m_stride + i);
                        double sum = 0;
                        for (int c = 0; c < k && i < width; ++c)
                            sum += double{a[static_cast<std::size_t>(t * stride + c)]} * w[static_cast<std::size_t>(c * width + i)];
                        if (i < width)
                            ASSERT_NEAR(got[at], sum, 1e-5) << k;
                        else
                            EXPECT_EQ(std::memcmp(&got[at], &before[at], sizeof(float)), 0) << "between rows";
                    }
            }
}

KERNEL_CHECK(depthwise_f32) {
    Random random(4);
    for (const int kernel : {1, 3, 7})
        for (const int pixels : {1, 2, 8, 13}) {
            const int channels = 3 * isa.lanes, stride = channels + 4;
            std::vector<std::vector<float>> rows;
            Taps<float> taps;
            taps.step = taps.run_step = stride;
            taps.height = taps.runs = kernel;
            taps.length = channels;
            for (int y = 0; y < kernel; ++y) rows.push_back(random_numbers(random, static_cast<std::size_t>((pixels + kernel) * stride), 2));
            for (int y = 0; y < kernel; ++y) taps.rows[y] = rows[static_cast<std::size_t>(y)].data();
            const std::vector<float> w = random_numbers(random, static_cast<std::size_t>(kernel * kernel * channels), 1),
                                     bias = random_numbers(random, static_cast<std::size_t>(channels), 1);
            const auto n = static_cast<std::size_t>((pixels - 1) * stride + channels);
            Guarded<float> want(n), got(n, 1);
            ref.depthwise_f32(taps, w.data(), bias.data(), pixels, want.data(), stride);
            isa.depthwise_f32(taps, w.data(), bias.data(), pixels, got.data(), stride);
            got.check("depthwise_f32");
            for (int p = 0; p < pixels; ++p)
                for (int c = 0; c < channels; ++c) {
                    const auto i = static_cast<std::size_t>(p * stride + c);
                    ASSERT_NEAR(got[i], want[i], 2e-5) << kernel << " taps";
                }
        }
}

}  // namespace
}  // namespace enlarge::test
