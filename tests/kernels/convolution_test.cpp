// SPDX-License-Identifier: Apache-2.0
// Sums may be added in another order: they stay within n * eps * sum |a * b| of a sum in double precision.
#include "kernel_check.hpp"
#include "kernels/winograd.hpp"

namespace enlarge::test {
namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

template <class T>
T feature(Random& random);
template <>
float feature<float>(Random& random) { return random.uniform(-2, 2); }
template <>
Half feature<Half>(Random& random) { return float_to_half(random.uniform(-2, 2)); }

template <class T>
double number(T x) { return x; }
template <>
double number(Half x) { return half_to_float(x); }

// Rows of pixels for `blocks` blocks of so many pixels; columns that a folded upsampling reads twice, or plain ones.
template <class T>
struct Rows {
    std::vector<Guarded<T>> rows;
    Window<T> window;
    Rows(Random& random, int blocks, int channels, int stride, bool upsampled, int block = 4) {
        const int pixels = block * blocks + 2;
        for (int i = 0; i < block + 2; ++i) {
            rows.emplace_back(static_cast<std::size_t>(pixels * stride), static_cast<std::size_t>(i));
            for (std::size_t k = 0; k < rows.back().size(); ++k) rows.back()[k] = feature<T>(random);
            (void)channels;
        }
        for (int i = 0; i < block + 2; ++i) {
            window.rows[i] = rows[static_cast<std::size_t>(i)].data();
            window.column[i] = std::ptrdiff_t{upsampled ? (i + 1) / 2 : i} * stride;
        }
        window.step = std::ptrdiff_t{upsampled ? block / 2 : block} * stride;
    }
};

constexpr double kBt[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                              {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
constexpr double kBt6[8][8] = {
    {1, 0, -5.25, 0, 5.25, 0, -1, 0},     {0, 1, 1, -4.25, -4.25, 1, 1, 0},      {0, -1, 1, 4.25, -4.25, -1, 1, 0},
    {0, 0.5, 0.25, -2.5, -1.25, 2, 1, 0}, {0, -0.5, 0.25, 2.5, -1.25, -2, 1, 0}, {0, 2, 4, -2.5, -5, 0.5, 1, 0},
    {0, -2, 4, 2.5, -5, -0.5, 1, 0},      {0, -1, 0, 5.25, 0, -5.25, 0, 1}};

// Of blocks of kSide - 2 pixels.
template <class T, int kSide, class Kernel>
void check_input(const KernelTable& isa, const double (&bt)[kSide][kSide], Kernel kernel) {
    constexpr int kPositions = kSide * kSide;
    Random random(7);
    for (const int channels : {isa.lanes, 3 * isa.lanes, 8 * isa.lanes})
        for (const int blocks : {1, 2, 5})
            for (const bool upsampled : {false, true}) {
                Rows<T> rows(random, blocks, channels, channels + 8, upsampled, kSide - 2);
                const int count = blocks * channels;
                const std::ptrdiff_t pos_stride = count + 3;
                Guarded<float> v(static_cast<std::size_t>(kPositions * pos_stride), 1);
                kernel(rows.window, blocks, channels, v.data(), pos_stride);
                v.check("winograd_input");
                for (int b = 0; b < blocks; ++b)
                    for (int c = 0; c < channels; ++c)
                        for (int p = 0; p < kPositions; ++p) {
                            double want = 0, size = 0;
                            for (int i = 0; i < kSide; ++i)
                                for (int j = 0; j < kSide; ++j) {
                                    const double term = bt[p / kSide][i] * bt[p % kSide][j] *
                                                        number(rows.window.rows[i][b * rows.window.step + rows.window.column[j] + c]);
                                    want += term;
                                    size += std::fabs(term);
                                }
                            const double got = v[static_cast<std::size_t>(p * pos_stride + b * channels + c)];
                            ASSERT_LE(std::fabs(got - want), 36 * kEpsilon * size) << "position " << p << " channel " << c;
                        }
            }
}

KERNEL_CHECK(winograd_input_f32) { check_input<float>(isa, kBt, isa.winograd_input_f32); }
KERNEL_CHECK(winograd_input_f16) { check_input<Half>(isa, kBt, isa.winograd_input_f16); }
KERNEL_CHECK(winograd6_input_f32) { check_input<float>(isa, kBt6, isa.winograd6_input_f32); }

KERNEL_CHECK(winograd_input_f16_i16) {
    Random random(8);
    for (const int channels : {isa.lanes, 3 * isa.lanes, 8 * isa.lanes})
        for (const int blocks : {1, 2, 5})
            for (const float size : {200.0F, 3000.0F, 1e5F}) {  // the first fits, the others want larger units
                Rows<Half> rows(random, blocks, channels, channels + 8, blocks == 2);
                const auto scale = floats(random, static_cast<std::size_t>(36 * channels), size / 2, size);
                const std::ptrdiff_t pos_stride = blocks * channels + 8;
                const auto count = static_cast<std::size_t>(36 * pos_stride);
                Guarded<std::int16_t> want(std::vector<std::int16_t>(count, 0)), got(std::vector<std::int16_t>(count, 0), 1);
                Guarded<float> want_unit(static_cast<std::size_t>(blocks)), unit(static_cast<std::size_t>(blocks), 1);
                ref.winograd_input_f16_i16(rows.window, blocks, channels, scale.data(), want.data(), pos_stride, want_unit.data());
                isa.winograd_input_f16_i16(rows.window, blocks, channels, scale.data(), got.data(), pos_stride, unit.data());
                got.check("winograd_input_f16_i16");
                unit.check("winograd_input_f16_i16's units");
                for (int b = 0; b < blocks; ++b) {
                    const auto at = static_cast<std::size_t>(b);
                    ASSERT_EQ(unit[at], want_unit[at]) << b;
                    EXPECT_EQ(unit[at] == 1, size < 1000) << unit[at];
                }
                for (std::size_t i = 0; i < count; ++i) {
                    ASSERT_LE(std::abs(want[i] - got[i]), 1) << i;  // a sum in another order may round otherwise
                    ASSERT_LE(std::abs(got[i]), 32766) << i;
                }
            }
}

// One block's loudness is no other's business, and what no unit can hold is NaN in the end, not a wrong number.
KERNEL_CHECK(winograd_input_f16_i16_chooses_a_unit_for_each_block) {
    Random random(17);
    const int channels = 2 * isa.lanes, blocks = 6;
    for (const float special : {60000.0F, kInf, -kInf, kNan}) {
        Rows<Half> rows(random, blocks, channels, channels, false);
        rows.rows[2][static_cast<std::size_t>((4 * 3 + 2) * channels + channels - 1)] = float_to_half(special);  // in block 3 alone
        const std::vector<float> scale(static_cast<std::size_t>(36 * channels), 100.0F);
        const std::ptrdiff_t pos_stride = blocks * channels;
        std::vector<std::int16_t> v(static_cast<std::size_t>(36 * pos_stride)), alone(static_cast<std::size_t>(36 * channels));
        std::vector<float> unit(blocks), alone_unit(1);
        isa.winograd_input_f16_i16(rows.window, blocks, channels, scale.data(), v.data(), pos_stride, unit.data());
        for (int b = 0; b < blocks; ++b) {
            if (b != 3) {
                EXPECT_EQ(unit[static_cast<std::size_t>(b)], 1) << b;
            }
            Window<Half> window = rows.window;
            for (const Half*& row : window.rows) row += b * window.step;
            isa.winograd_input_f16_i16(window, 1, channels, scale.data(), alone.data(), channels, alone_unit.data());
            expect_same_bits(alone_unit, {unit[static_cast<std::size_t>(b)]}, "unit");
            if (std::isnan(alone_unit[0])) continue;
            for (int p = 0; p < 36; ++p)
                for (int c = 0; c < channels; ++c)
                    ASSERT_EQ(v[static_cast<std::size_t>(p * pos_stride + b * channels + c)], alone[static_cast<std::size_t>(p * channels + c)]);
        }
        EXPECT_EQ(std::isnan(unit[3]), !std::isfinite(special)) << special;
        if (std::isfinite(special)) {
            EXPECT_GT(unit[3], 64) << special;
        }
    }
}

template <int kSide, class Kernel>
void check_weights(const KernelTable& ref, const KernelTable& isa, const double (&g)[kSide][3], Kernel ref_kernel,
                   Kernel isa_kernel) {
    constexpr int kPositions = kSide * kSide;
    Random random(18);
    for (const int group : {1, 2, 3}) {
        const int width = group * isa.lanes;
        const std::ptrdiff_t pos_stride = width + 5;
        std::vector<std::vector<float>> taps;
        std::vector<const float*> at;
        for (int n = 0; n < width; ++n) taps.push_back(floats(random, 9, -1, 1));
        for (const auto& nine : taps) at.push_back(nine.data());
        Guarded<float> u(std::vector<float>(static_cast<std::size_t>((kPositions - 1) * pos_stride + width), 0.0F), 1);
        isa_kernel(at.data(), group, u.data(), pos_stride);
        u.check("winograd_weights");
        for (int n = 0; n < width; ++n)
            for (int p = 0; p < kPositions; ++p) {
                double want = 0, size = 0;
                for (int k = 0; k < 9; ++k) {
                    const double term = g[p / kSide][k / 3] * g[p % kSide][k % 3] *
                                        static_cast<double>(at[static_cast<std::size_t>(n)][k]);
                    want += term;
                    size += std::fabs(term);
                }
                const auto got = static_cast<double>(u[static_cast<std::size_t>(p * pos_stride + n)]);
                // Rounded once: half a step of the result, and nothing of the sums.
                ASSERT_LE(std::fabs(got - want), kEpsilon / 2 * std::fabs(want) + 1e-14 * size) << p << ", " << n;
            }
        // The plain loop has narrower groups: the same numbers from each.
        for (int first = 0; first < width; first += ref.lanes) {
            std::vector<float> plain(static_cast<std::size_t>(kPositions * ref.lanes));
            ref_kernel(at.data() + first, 1, plain.data(), ref.lanes);
            for (int p = 0; p < kPositions; ++p)
                for (int n = 0; n < ref.lanes; ++n)
                    ASSERT_EQ(u[static_cast<std::size_t>(p * pos_stride + first + n)],
                              plain[static_cast<std::size_t>(p * ref.lanes + n)]);
        }
    }
}

KERNEL_CHECK(winograd_weights_f32) {
    check_weights(ref, isa, kWinogradG, ref.winograd_weights_f32, isa.winograd_weights_f32);
}
KERNEL_CHECK(winograd6_weights_f32) {
    check_weights(ref, isa, kWinograd6G, ref.winograd6_weights_f32, isa.winograd6_weights_f32);
}

KERNEL_CHECK(gemm_f32) {
    Random random(9);
    for (const int group : {1, 2, 3})
        for (const int k : {1, 3, 4, 8, 24, 64, 97, 192})
            for (int tiles = 1; tiles <= 31; tiles += tiles < 16 ? 1 : 5) {
                const int width = group * isa.lanes;
                const auto a = floats(random, static_cast<std::size_t>(tiles * k), -1, 1);
                const auto w = floats(random, static_cast<std::size_t>(k * width), -1, 1);
                Guarded<float> m(static_cast<std::size_t>(tiles * width), 1);
                isa.gemm_f32(a.data(), tiles, k, w.data(), group, m.data());
                m.check("gemm_f32");
                for (int t = 0; t < tiles; ++t)
                    for (int n = 0; n < width; ++n) {
                        double want = 0, size = 0;
                        for (int i = 0; i < k; ++i) {
                            const double term = static_cast<double>(a[static_cast<std::size_t>(t * k + i)]) * w[static_cast<std::size_t>(i * width + n)];
                            want += term;
                            size += std::fabs(term);
                        }
                        ASSERT_LE(std::fabs(m[static_cast<std::size_t>(t * width + n)] - want), k * kEpsilon * size) << tiles << " " << k;
                    }
            }
}

KERNEL_CHECK(gemm_f32_gives_the_same_bits_for_any_number_of_tiles) {
    Random random(10);
    const int k = 48;
    for (const int group : {1, 2, 3}) {
        const int width = group * isa.lanes;
        const auto a = floats(random, 40 * k, -1, 1);
        const auto w = floats(random, static_cast<std::size_t>(k * width), -1, 1);
        std::vector<float> all(static_cast<std::size_t>(40 * width)), one(static_cast<std::size_t>(width));
        isa.gemm_f32(a.data(), 40, k, w.data(), group, all.data());
        for (int t = 0; t < 40; ++t) {
            isa.gemm_f32(a.data() + t * k, 1, k, w.data(), group, one.data());
            ASSERT_EQ(std::memcmp(one.data(), &all[static_cast<std::size_t>(t * width)], one.size() * sizeof(float)), 0) << t;
        }
    }
}

KERNEL_CHECK(gemm_i16) {
    Random random(11);
    for (const int group : {1, 2, 3})
        for (const int k : {2, 8, 24, 32, 64, 130})
            for (int tiles = 1; tiles <= 31; tiles += tiles < 16 ? 1 : 5) {
                const int width = group * isa.lanes;
                std::vector<std::int16_t> a(static_cast<std::size_t>(tiles * k)), w(static_cast<std::size_t>(k * width));
                for (auto& v : a) v = static_cast<std::int16_t>(random.integer(-32760, 32760));
                for (auto& v : w) v = static_cast<std::int16_t>(random.integer(-60000 / k, 60000 / k));
                Guarded<std::int32_t> got(static_cast<std::size_t>(tiles * width), 1);
                isa.gemm_i16(a.data(), tiles, k, w.data(), group, got.data());
                got.check("gemm_i16");
                for (int t = 0; t < tiles; ++t)
                    for (int n = 0; n < width; ++n) {
                        std::int64_t want = 0;
                        for (int i = 0; i < k; ++i)
                            want += std::int64_t{a[static_cast<std::size_t>(t * k + i)]} * w[static_cast<std::size_t>((i / 2 * width + n) * 2 + i % 2)];
                        ASSERT_EQ(got[static_cast<std::size_t>(t * width + n)], want);
                    }
            }
}

struct Ending {
    Activation activation;
    int residuals;
};
constexpr Ending kEndings[] = {{Activation::prelu, 0}, {Activation::prelu, 1}, {Activation::prelu, 2}, {Activation::silu, 0}, {Activation::silu, 1}, {Activation::gate, 0}};

template <class Out>
std::vector<float> as_floats(Guarded<Out>& values) {
    std::vector<float> out;
    for (std::size_t i = 0; i < values.size(); ++i) out.push_back(static_cast<float>(number(values[i])));
    return out;
}

template <class Out>
float tolerance() { return std::is_same_v<Out, float> ? 4e-6F : 2e-3F; }

// How large the sums of F(6x6,3x3) are: a position counts 32 times for each direction in which it belongs to 2 or -2.
float size6(int position) {
    const auto of = [](int i) { return i == 3 || i == 4 ? 1.0F / 32 : 1.0F; };
    return of(position / 8) * of(position % 8);
}

// One run of blocks through both tables: the same pixels are written, with about the same numbers, and no others.
template <class Sum, class Out, int kBlock = 4, class Kernel>
void check_output(const KernelTable& isa, Kernel ref_kernel, Kernel isa_kernel) {
    constexpr int kPositions = (kBlock + 2) * (kBlock + 2);
    Random random(12);
    for (const int channel_blocks : {1, 2, 3, 4})
        for (const Ending ending : kEndings) {
            for (const int width : {1, 2, 3, 4, 5, 7, 8, 13})
                for (int height = 1; height <= kBlock; ++height) {
                    // The scalar table has its own channel block: hand it as many groups as make the same channels.
                    const int channels = channel_blocks * isa.lanes, blocks = (width + kBlock - 1) / kBlock;
                    const int stride = channels + 3;
                    std::vector<Sum> m(static_cast<std::size_t>(kPositions * blocks * channels));
                    for (auto& v : m)
                        v = std::is_same_v<Sum, float> ? static_cast<Sum>(random.uniform(-1, 1)) : static_cast<Sum>(random.integer(-3000000, 3000000));
                    if constexpr (kBlock == 6)
                        for (std::size_t i = 0; i < m.size(); ++i)
                            m[i] *= size6(static_cast<int>(i) / (blocks * channels));
                    const auto bias = floats(random, static_cast<std::size_t>(channels), -1, 1), slope = floats(random, static_cast<std::size_t>(channels), -0.3F, 1.2F);
                    const auto scale = floats(random, static_cast<std::size_t>(36 * channels), 1e-7F, 3e-7F);
                    std::vector<float> unit(static_cast<std::size_t>(blocks), 1.0F);
                    if (height == 2) unit.back() = 4;
                    const auto rows = static_cast<std::size_t>(kBlock * width * stride);
                    std::vector<Guarded<Out>> residuals(2, Guarded<Out>(rows));
                    for (auto& residual : residuals)
                        for (std::size_t i = 0; i < rows; ++i) residual[i] = feature<Out>(random);
                    const std::vector<Out> before(rows, Out{});
                    Guarded<Out> want(before), got(before, 1);
                    for (const bool reference : {true, false}) {
                        Guarded<Out>& out = reference ? want : got;
                        const int step = reference ? 8 : channels;
                        for (int first = 0; first < channels; first += step) {
                            Epilogue e;
                            e.bias = bias.data() + first;
                            e.slope = slope.data() + first;
                            e.scale = std::is_same_v<Sum, float> ? nullptr : scale.data() + first;
                            e.scale_stride = channels;
                            e.unit = std::is_same_v<Sum, float> ? nullptr : unit.data();
                            e.activation = ending.activation;
                            e.residuals = ending.residuals;
                            e.keep[0] = 0.2F;
                            e.mix[1] = 0.7F;
                            Target<Out> to;
                            to.width = width;
                            to.height = height;
                            to.stride = stride;
                            for (int i = 0; i < kBlock; ++i) {
                                to.out[i] = out.data() + i * width * stride + first;
                                for (int r = 0; r < 2; ++r) to.residual[r][i] = residuals[static_cast<std::size_t>(r)].data() + i * width * stride + first;
                            }
                            to.residual_stride[0] = to.residual_stride[1] = stride;
                            if (!reference) {
                                isa_kernel(m.data(), std::ptrdiff_t{blocks} * channels, blocks, channel_blocks, e, to);
                                continue;
                            }
                            // Gather this channel block's sums.
                            std::vector<Sum> part(static_cast<std::size_t>(kPositions * blocks * 8));
                            for (int p = 0; p < kPositions * blocks; ++p)
                                for (int n = 0; n < 8; ++n) part[static_cast<std::size_t>(p * 8 + n)] = m[static_cast<std::size_t>(p * channels + first + n)];
                            ref_kernel(part.data(), std::ptrdiff_t{blocks} * 8, blocks, 1, e, to);
                        }
                    }
                    got.check("winograd_output");
                    const auto a = as_floats(want), b = as_floats(got);
                    expect_close(a, b, tolerance<Out>(), 2e-4F,
                                 std::to_string(channel_blocks) + " " + std::to_string(width) + "x" + std::to_string(height));
                }
        }
}

KERNEL_CHECK(winograd_output_f32) { check_output<float, float>(isa, ref.winograd_output_f32, isa.winograd_output_f32); }
KERNEL_CHECK(winograd_output_f16) { check_output<float, Half>(isa, ref.winograd_output_f16, isa.winograd_output_f16); }
KERNEL_CHECK(winograd6_output_f32) { check_output<float, float, 6>(isa, ref.winograd6_output_f32, isa.winograd6_output_f32); }
KERNEL_CHECK(winograd6_output_f16) {
    check_output<float, Half, 6>(isa, ref.winograd6_output_f16, isa.winograd6_output_f16);
}
KERNEL_CHECK(winograd_output_i32_f32) { check_output<std::int32_t, float>(isa, ref.winograd_output_i32_f32, isa.winograd_output_i32_f32); }
KERNEL_CHECK(winograd_output_i32_f16) { check_output<std::int32_t, Half>(isa, ref.winograd_output_i32_f16, isa.winograd_output_i32_f16); }

// All four steps together are a 3x3 convolution.
template <int kSide, class Input, class Output>
void check_convolution(const KernelTable& isa, const double (&g)[kSide][3], Input input, Output output, double within) {
    constexpr int kBlock = kSide - 2, kPositions = kSide * kSide;
    Random random(13);
    const int channels = isa.lanes;
    Rows<float> rows(random, 1, channels, channels, false, kBlock);
    const auto weights = floats(random, static_cast<std::size_t>(channels * channels * 9), -1, 1);
    std::vector<float> v(static_cast<std::size_t>(kPositions * channels)), m(v.size());
    std::vector<float> out(static_cast<std::size_t>(kBlock * kBlock * channels));
    input(rows.window, 1, channels, v.data(), channels);
    for (int p = 0; p < kPositions; ++p) {
        std::vector<float> u(static_cast<std::size_t>(channels * channels));
        for (int o = 0; o < channels; ++o)
            for (int i = 0; i < channels; ++i)
                for (int k = 0; k < 9; ++k)
                    u[static_cast<std::size_t>(i * channels + o)] +=
                        static_cast<float>(g[p / kSide][k / 3] * g[p % kSide][k % 3] *
                                           static_cast<double>(weights[static_cast<std::size_t>((o * channels + i) * 9 + k)]));
        isa.gemm_f32(&v[static_cast<std::size_t>(p * channels)], 1, channels, u.data(), 1, &m[static_cast<std::size_t>(p * channels)]);
    }
    const std::vector<float> zeros(static_cast<std::size_t>(channels), 0.0F), ones(static_cast<std::size_t>(channels), 1.0F);
    Epilogue e;
    e.bias = zeros.data();
    e.slope = ones.data();
    Target<float> to;
    to.width = to.height = kBlock;
    to.stride = channels;
    for (int i = 0; i < kBlock; ++i) to.out[i] = &out[static_cast<std::size_t>(i * kBlock * channels)];
    output(m.data(), channels, 1, 1, e, to);
    for (int y = 0; y < kBlock; ++y)
        for (int x = 0; x < kBlock; ++x)
            for (int o = 0; o < channels; ++o) {
                double want = 0;
                for (int i = 0; i < channels; ++i)
                    for (int k = 0; k < 9; ++k)
                        want += static_cast<double>(rows.window.rows[y + k / 3][(x + k % 3) * channels + i]) * weights[static_cast<std::size_t>((o * channels + i) * 9 + k)];
                ASSERT_NEAR(out[static_cast<std::size_t>((y * kBlock + x) * channels + o)], want, within);
            }
}

KERNEL_CHECK(winograd_is_a_convolution) {
    check_convolution(isa, kWinogradG, isa.winograd_input_f32, isa.winograd_output_f32, 2e-4);
}
KERNEL_CHECK(winograd6_is_a_convolution) {
    check_convolution(isa, kWinograd6G, isa.winograd6_input_f32, isa.winograd6_output_f32, 4e-4);
}

template <class In, class Out, class Kernel>
void check_conv(const KernelTable& isa, Kernel ref_kernel, Kernel isa_kernel) {
    Random random(14);
    for (const int channel_blocks : {1, 2, 3})
        for (const Ending ending : kEndings) {
            for (const int width : {1, 2, 3, 5, 6, 11, 12, 13, 29})
                for (const int in_channels : {3, 8}) {
                    const int channels = channel_blocks * isa.lanes, stride = channels + 1, in_stride = in_channels + 1;
                    const auto pixels = static_cast<std::size_t>((width + 2) * in_stride);
                    std::vector<Guarded<In>> rows(3, Guarded<In>(pixels));
                    for (auto& row : rows)
                        for (std::size_t i = 0; i < pixels; ++i) row[i] = feature<In>(random);
                    const auto w = floats(random, static_cast<std::size_t>(9 * in_channels * channels), -0.3F, 0.3F);
                    const auto bias = floats(random, static_cast<std::size_t>(channels), -1, 1), slope = floats(random, static_cast<std::size_t>(channels), -0.3F, 1.2F);
                    const auto size = static_cast<std::size_t>(width * stride);
                    std::vector<Guarded<Out>> residuals(2, Guarded<Out>(size));
                    for (auto& residual : residuals)
                        for (std::size_t i = 0; i < size; ++i) residual[i] = feature<Out>(random);
                    Guarded<Out> want(std::vector<Out>(size, Out{})), got(std::vector<Out>(size, Out{}), 1);
                    Taps<In> taps;
                    taps.height = taps.runs = 3;
                    taps.length = in_channels;
                    taps.step = taps.run_step = in_stride;
                    for (int y = 0; y < 3; ++y) taps.rows[y] = rows[static_cast<std::size_t>(y)].data();
                    for (const bool reference : {true, false}) {
                        const int step = reference ? 8 : channels;
                        for (int first = 0; first < channels; first += step) {
                            Epilogue e;
                            e.bias = bias.data() + first;
                            e.slope = slope.data() + first;
                            e.activation = ending.activation;
                            e.residuals = ending.residuals;
                            e.keep[0] = 0.2F;
                            e.mix[1] = 0.7F;
                            Target<Out> to;
                            to.width = width;
                            to.height = 1;
                            to.stride = to.residual_stride[0] = to.residual_stride[1] = stride;
                            to.out[0] = (reference ? want : got).data() + first;
                            for (int r = 0; r < 2; ++r) to.residual[r][0] = residuals[static_cast<std::size_t>(r)].data() + first;
                            if (!reference) {
                                isa_kernel(taps, w.data(), channel_blocks, e, to);
                                continue;
                            }
                            std::vector<float> part;
                            for (int k = 0; k < 9 * in_channels; ++k)
                                for (int n = 0; n < 8; ++n) part.push_back(w[static_cast<std::size_t>(k * channels + first + n)]);
                            ref_kernel(taps, part.data(), 1, e, to);
                        }
                    }
                    got.check("conv");
                    expect_close(as_floats(want), as_floats(got), tolerance<Out>(), 2e-5F * static_cast<float>(in_channels), "conv");
                }
        }
}

KERNEL_CHECK(conv_f32) { check_conv<float, float>(isa, ref.conv_f32, isa.conv_f32); }
KERNEL_CHECK(conv_f32_f16) { check_conv<float, Half>(isa, ref.conv_f32_f16, isa.conv_f32_f16); }
KERNEL_CHECK(conv_f16) { check_conv<Half, Half>(isa, ref.conv_f16, isa.conv_f16); }
KERNEL_CHECK(conv_f16_f32) { check_conv<Half, float>(isa, ref.conv_f16_f32, isa.conv_f16_f32); }

}  // namespace
}  // namespace enlarge::test
