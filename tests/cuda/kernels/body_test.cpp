// SPDX-License-Identifier: Apache-2.0
// Body convolutions against the plain truth, bit for bit, and what happens when their synchronisation is broken.
#include <memory>

#include "bench.hpp"

namespace enlarge::cuda::test {
namespace {

// A kernel with its input, its expected output and a way to run it again and again.
struct Case {
    std::string kernel;
    std::shared_ptr<Tensor<std::uint16_t>> in, out;
    std::shared_ptr<Tensor<std::int8_t>> in8, out8;
    std::function<emu::Report(const Way&, emu::Fault, int site)> run;
    std::function<double(int, int, int)> truth;

    // How many values differ after a run, or -1 with an error.
    std::int64_t wrong(const Way& way, emu::Fault fault = emu::Fault::none, int site = 0, emu::Report* report = nullptr) {
        if (out) out->poison();
        if (out8) out8->poison();
        emu::Report r = run(way, fault, site);
        if (report) *report = r;
        if (!r.error.empty()) return -1;
        std::int64_t count = 0;
        const int channels = out ? out->channels : out8->channels, height = out ? out->height : out8->height,
                  width = out ? out->width : out8->width;
        for (int c = 0; c < channels; ++c)
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; ++x) {
                    const double got = out ? out->value(c, y, x) : out8->value(c, y, x);
                    if (!(got == expected[(static_cast<std::size_t>(c) * static_cast<std::size_t>(height) + static_cast<std::size_t>(y)) *
                                              static_cast<std::size_t>(width) + static_cast<std::size_t>(x)]))
                        ++count;
                }
        if ((out && !out->guards_hold()) || (out8 && !out8->guards_hold())) ++count;
        return count;
    }
    void prepare() {
        const int channels = out ? out->channels : out8->channels, height = out ? out->height : out8->height,
                  width = out ? out->width : out8->width;
        for (int c = 0; c < channels; ++c)
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; ++x) expected.push_back(truth(c, y, x));
    }
    std::vector<double> expected;
};

template <class Params>
emu::Report go(const std::string& kernel, const Params& p, const Shape& shape, const Way& way, emu::Fault fault, int site) {
    emu::Launch launch = launch_of(shape, way);
    launch.fault = fault;
    launch.fault_site = site;
    return emu::run_kernel(kernel, &p, launch);
}

// `processors` decides in how many pieces the rows are cut.
Case rows_case(const std::string& kernel, int chunks, int in, int out, int height, int width, int processors) {
    Case c;
    c.kernel = kernel;
    const auto conv = std::make_shared<Conv>(integer_conv(3, in, out));
    c.in = std::make_shared<Tensor<std::uint16_t>>(integer_halves(4, in, height, width));
    c.out = std::make_shared<Tensor<std::uint16_t>>(out, height, width);
    const int warps = (out + 15) / 16;
    const auto weights = std::make_shared<std::vector<std::uint32_t>>(pack_rows(conv->view(), chunks, warps));
    const auto constants = std::make_shared<std::vector<float>>(pack_bias_slope(conv->bias, conv->slope, 64));
    c.run = [=, in = c.in, out = c.out](const Way& way, emu::Fault fault, int site) {
        ConvRows p{in->address(), out->address(), reinterpret_cast<std::uint64_t>(weights->data()),
                   reinterpret_cast<std::uint64_t>(constants->data()),
                   {height, width, 0, height, 0, kStripWidth, (width + kStripWidth - 1) / kStripWidth, 0},
                   (in->channels + 7) / 8, (out->channels + 7) / 8};
        const Shape shape = shape_rows(p, chunks, warps, processors);
        return go(kernel, p, shape, way, fault, site);
    };
    c.truth = [=, in = c.in](int o, int y, int x) {
        return prelu(convolve(*conv, o, y, x, reader(*in)), conv->slope[static_cast<std::size_t>(o)]);
    };
    return c;
}

template <class Params>
void set_maps(Params& p, std::uint64_t in, std::uint64_t out, int width, int height, int slices) {
    const auto describe = [&](std::uint64_t(&map)[16], std::uint64_t base, int pixels, int box_slices) {
        const emu::TensorMap made{
            base, {2 * width, height, slices}, {16L * width, 16L * width * height}, {2 * pixels, 1, box_slices}, 8};
        std::memcpy(map, &made, sizeof made);
    };
    describe(p.in_map, in, kHopperStrip, 1);
    describe(p.edge_map, in, 2, 1);
    describe(p.out_map, out, kHopperStrip, slices);
}

Case hopper_case(int height, int width, int processors, bool upwards = false) {
    Case c = rows_case("conv64_f32acc", 4, 64, 64, height, width, processors);
    c.kernel = "conv64_hopper";
    const Conv conv = integer_conv(3, 64, 64);
    const auto weights = std::make_shared<std::vector<std::uint32_t>>(pack_hopper(conv.view()));
    const auto constants = std::make_shared<std::vector<float>>(pack_bias_slope(conv.bias, conv.slope, 64));
    c.run = [=, in = c.in, out = c.out](const Way& way, emu::Fault fault, int site) {
        ConvHopper p{};
        set_maps(p, in->address(), out->address(), width, height, 8);
        p.weights = reinterpret_cast<std::uint64_t>(weights->data());
        p.bias_slope = reinterpret_cast<std::uint64_t>(constants->data());
        p.upwards = upwards;
        const Shape shape = shape_hopper(p, 8, {width, height}, processors);
        return go("conv64_hopper", p, shape, way, fault, site);
    };
    return c;
}

// 8 bits: weights -127..127 and activations -127..127; the factors bring sums back into range.
Case s8_case(const std::string& kernel, int height, int width, int processors, bool half_out, bool upwards = false) {
    Case c;
    c.kernel = kernel;
    Random random(5);
    const auto quantised = std::make_shared<std::vector<std::int8_t>>();
    for (int i = 0; i < 64 * 64 * 9; ++i) quantised->push_back(static_cast<std::int8_t>(random.integer(-127, 127)));
    const auto factors = std::make_shared<std::vector<float>>();
    for (int i = 0; i < 64; ++i)
        for (const float f : {half_out ? 0x1p-10F : 0x1p-11F, static_cast<float>(random.integer(-9, 9)), 0.25F * static_cast<float>(random.integer(-2, 4)) - 1, 0.0F})
            factors->push_back(f);
    c.in8 = std::make_shared<Tensor<std::int8_t>>(64, height, width, 16);
    for (int i = 0; i < 64; ++i)
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) c.in8->at(i, y, x) = static_cast<std::int8_t>(random.integer(-127, 127));
    if (half_out)
        c.out = std::make_shared<Tensor<std::uint16_t>>(64, height, width);
    else
        c.out8 = std::make_shared<Tensor<std::int8_t>>(64, height, width, 16);
    const std::uint64_t to = half_out ? c.out->address() : c.out8->address();
    const bool hopper = kernel == "conv64_s8_hopper";
    const auto weights = std::make_shared<std::vector<std::uint32_t>>(hopper ? pack_s8_hopper(*quantised) : pack_s8(*quantised));
    c.run = [=, in = c.in8](const Way& way, emu::Fault fault, int site) {
        if (hopper) {
            ConvS8Hopper p{};
            set_maps(p, in->address(), to, width, height, 4);
            p.weights = reinterpret_cast<std::uint64_t>(weights->data());
            p.factors = reinterpret_cast<std::uint64_t>(factors->data());
            p.upwards = upwards;
            const Shape shape = shape_hopper(p, 4, {width, height}, processors);
            return go(kernel, p, shape, way, fault, site);
        }
        ConvS8 p{in->address(), to, reinterpret_cast<std::uint64_t>(weights->data()), reinterpret_cast<std::uint64_t>(factors->data()),
                 {height, width, 0, height, 0, kStripWidth, (width + kStripWidth - 1) / kStripWidth, 0}, half_out};
        const Shape shape = shape_s8(p, processors);
        return go(kernel, p, shape, way, fault, site);
    };
    c.truth = [=, in = c.in8](int o, int y, int x) {
        std::int64_t sum = 0;
        for (int ci = 0; ci < 64; ++ci)
            for (int tap = 0; tap < 9; ++tap) {
                const int yy = y + tap / 3 - 1, xx = x + tap % 3 - 1;
                if (yy < 0 || yy >= height || xx < 0 || xx >= width) continue;
                sum += (*quantised)[static_cast<std::size_t>((o * 64 + ci) * 9 + tap)] * static_cast<std::int64_t>(in->value(ci, yy, xx));
            }
        const float* f = factors->data() + o * 4;
        const float v = static_cast<float>(sum) * f[0] + f[1];
        const float activated = v + f[2] * std::fmin(v, 0.0F);
        return half_out ? static_cast<double>(enlarge::half_to_float(enlarge::float_to_half(activated)))
                        : std::clamp(std::nearbyint(static_cast<double>(activated)), -128.0, 127.0);
    };
    return c;
}

// Streamed weights: two blocks of output channels, a slice run of a wider input, upsampling, two residuals.
Case stream_case(const std::string& kernel, int tiles, int in, int out, int kernel_size, int up, int height, int width, int residuals) {
    Case c;
    c.kernel = kernel;
    const auto conv = std::make_shared<Conv>(integer_conv(7, in, out, kernel_size));
    c.in = std::make_shared<Tensor<std::uint16_t>>(integer_halves(8, in + 16, height >> up, width >> up));  // 16 channels come before
    c.out = std::make_shared<Tensor<std::uint16_t>>(out, height, width);
    const auto added = std::make_shared<Tensor<std::uint16_t>>(integer_halves(9, out, height, width));
    const auto weights = std::make_shared<std::vector<std::uint32_t>>(pack_stream(conv->view(), tiles));
    const int blocks = (out + tiles * 8 - 1) / (tiles * 8);
    const auto constants = std::make_shared<std::vector<float>>(pack_bias_slope(conv->bias, conv->slope, blocks * tiles * 8));
    c.run = [=, from = c.in, to = c.out](const Way& way, emu::Fault fault, int site) {
        ConvStream p{};
        p.in = from->address() + static_cast<std::uint64_t>(2 * (height >> up) * (width >> up)) * 16;
        p.out = to->address();
        p.weights = reinterpret_cast<std::uint64_t>(weights->data());
        p.bias_slope = reinterpret_cast<std::uint64_t>(constants->data());
        for (int i = 0; i < residuals; ++i) {
            p.residual[i] = added->address();
            p.beta[i] = i ? 0.25F : 1.0F;
        }
        p.alpha = 0.5F;
        p.height = height;
        p.width = width;
        p.up = up;
        p.in_slices = (in + 7) / 8;
        p.out_slices = (out + 7) / 8;
        p.chunks = (in + 15) / 16;
        p.taps = kernel_size * kernel_size;
        const Shape shape = shape_stream(p, tiles);
        return go(kernel, p, shape, way, fault, site);
    };
    c.truth = [=, from = c.in](int o, int y, int x) {
        const auto read = [&](int ci, int yy, int xx) {
            return yy < 0 || yy >= height || xx < 0 || xx >= width ? 0.0 : from->value(16 + ci, yy >> up, xx >> up);
        };
        double v = 0.5 * prelu(convolve(*conv, o, y, x, read), conv->slope[static_cast<std::size_t>(o)]);
        if (residuals > 0) v += added->value(o, y, x);
        if (residuals > 1) v += 0.25 * added->value(o, y, x);
        return static_cast<double>(enlarge::half_to_float(enlarge::float_to_half(static_cast<float>(v))));
    };
    return c;
}

struct Size3 {
    int height, width, processors;
};

TEST(cuda_body_kernels, agree_bit_for_bit_with_the_truth_at_every_size_and_schedule) {
    struct Kind {
        std::string kernel;
        int chunks, in, out;
    };
    for (const Kind& k : {Kind{"conv64_f32acc", 4, 64, 64}, Kind{"conv64_f16acc", 4, 64, 64}, Kind{"conv64_f32acc", 4, 64, 32},
                          Kind{"conv64_f32acc", 4, 56, 48}, Kind{"conv48_f32acc", 3, 48, 48}, Kind{"conv32_f32acc", 2, 32, 32},
                          Kind{"conv32_f32acc", 2, 24, 24}, Kind{"conv32_f32acc", 2, 8, 64}})
        for (const Size3& s : {Size3{1, 1, 4}, Size3{3, 32, 4}, Size3{7, 33, 2}, Size3{11, 70, 1}}) {
            Case c = rows_case(k.kernel, k.chunks, k.in, k.out, s.height, s.width, s.processors);
            c.prepare();
            for (const Way& way : ways()) {
                emu::Report report;
                EXPECT_EQ(c.wrong(way, emu::Fault::none, 0, &report), 0)
                    << k.kernel << " " << k.in << "->" << k.out << " at " << s.width << "x" << s.height << " seed " << way.seed << ": " << report.error;
                EXPECT_GT(report.mma, 0);
            }
        }
}

TEST(cuda_body_kernels, with_streamed_weights_agree_bit_for_bit_with_the_truth) {
    std::vector<Case> cases;
    cases.push_back(stream_case("conv_stream64", 8, 96, 64, 3, 0, 10, 40, 2));
    cases.push_back(stream_case("conv_stream64", 8, 40, 128, 3, 1, 10, 36, 1));
    cases.push_back(stream_case("conv_stream32", 4, 72, 24, 3, 2, 12, 20, 0));
    cases.push_back(stream_case("conv_stream32", 4, 16, 32, 1, 0, 1, 33, 0));
    cases.push_back(stream_case("conv_stream64", 8, 256, 64, 1, 0, 9, 5, 1));
    for (Case& c : cases) {
        c.prepare();
        for (const Way& way : ways()) {
            emu::Report report;
            EXPECT_EQ(c.wrong(way, emu::Fault::none, 0, &report), 0) << c.kernel << " " << report.error;
        }
    }
}

// One block walks over several strips: the ring of rows wraps in the middle of segments.
TEST(cuda_body_kernels, agree_when_one_block_crosses_strips) {
    for (const char* kernel : {"conv64_f32acc", "conv64_f16acc"}) {
        Case c = rows_case(kernel, 4, 64, 64, 23, 100, 1);
        c.prepare();
        for (const Way& way : ways()) EXPECT_EQ(c.wrong(way), 0) << kernel;
    }
}

TEST(cuda_body_kernels, of_hopper_agree_bit_for_bit_with_the_truth) {
    // The last two: one consumer has no rows at all, and could run ahead of the other.
    for (const Size3& s :
         {Size3{1, 1, 4}, Size3{3, 128, 2}, Size3{9, 140, 2}, Size3{14, 270, 1}, Size3{1, 900, 1}, Size3{3, 520, 1}})
        for (const bool upwards : {false, true}) {
            Case c = hopper_case(s.height, s.width, s.processors, upwards);
            c.prepare();
            for (const Way& way : ways()) {
                emu::Report report;
                EXPECT_EQ(c.wrong(way, emu::Fault::none, 0, &report), 0)
                    << s.width << "x" << s.height << (upwards ? " upwards: " : ": ") << report.error;
                EXPECT_GT(report.wgmma, 0);
                EXPECT_GT(report.tma, 0);
            }
        }
}

TEST(cuda_body_kernels, in_8_bits_agree_bit_for_bit_with_the_truth) {
    for (const Size3& s : {Size3{1, 1, 4}, Size3{7, 33, 2}, Size3{13, 70, 1}})
        for (const bool half_out : {false, true}) {
            Case c = s8_case("conv64_s8", s.height, s.width, s.processors, half_out);
            c.prepare();
            for (const Way& way : ways()) EXPECT_EQ(c.wrong(way), 0) << s.width << "x" << s.height << (half_out ? " half" : "");
        }
    for (const Size3& s : {Size3{1, 1, 4}, Size3{15, 140, 1}})
        for (const bool upwards : {false, true}) {
            Case c = s8_case("conv64_s8_hopper", s.height, s.width, s.processors, false, upwards);
            c.prepare();
            for (const Way& way : ways()) {
                emu::Report report;
                EXPECT_EQ(c.wrong(way, emu::Fault::none, 0, &report), 0)
                    << s.width << "x" << s.height << " " << report.error;
            }
        }
}

TEST(cuda_body_kernels, keep_infinities_and_nans_visible) {
    for (const float poison : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        Case c = rows_case("conv64_f32acc", 4, 64, 64, 5, 33, 1);
        c.in->at(20, 2, 16) = enlarge::float_to_half(poison);
        c.run(ways()[0], emu::Fault::none, 0);
        for (int o = 0; o < 64; ++o)
            EXPECT_FALSE(std::isfinite(c.out->value(o, 2, 16))) << "channel " << o;
        EXPECT_TRUE(std::isfinite(c.out->value(0, 2, 20)));
    }
}

// Accuracy with real numbers: rounding the output to half precision is nearly all of the error.
TEST(cuda_body_kernels, lose_little_to_half_precision_sums) {
    Random random(6);
    for (const auto& [kernel, bound] : {std::pair{"conv64_f32acc", 3e-4}, std::pair{"conv64_f16acc", 1e-3}}) {
        Case c = rows_case(kernel, 4, 64, 64, 9, 40, 1);
        Conv conv = integer_conv(3, 64, 64);
        for (float& w : conv.weights) w = enlarge::half_to_float(enlarge::float_to_half(random.uniform(-0.06F, 0.06F)));
        for (int i = 0; i < 64; ++i)
            for (int y = 0; y < 9; ++y)
                for (int x = 0; x < 40; ++x) c.in->at(i, y, x) = enlarge::float_to_half(random.uniform(-1, 1));
        const auto weights = pack_rows(conv.view(), 4, 4);
        const auto constants = pack_bias_slope(conv.bias, conv.slope, 64);
        ConvRows p{c.in->address(), c.out->address(), reinterpret_cast<std::uint64_t>(weights.data()),
                   reinterpret_cast<std::uint64_t>(constants.data()), {9, 40, 0, 9, 0, kStripWidth, 2, 0}, 8, 8};
        const Shape shape = shape_rows(p, 4, 4, 1);
        ASSERT_EQ(go(kernel, p, shape, ways()[0], emu::Fault::none, 0).error, "");
        double error = 0, power = 0;
        for (int o = 0; o < 64; ++o)
            for (int y = 0; y < 9; ++y)
                for (int x = 0; x < 40; ++x) {
                    const double t = prelu(convolve(conv, o, y, x, reader(*c.in)), conv.slope[static_cast<std::size_t>(o)]);
                    error += std::pow(t - c.out->value(o, y, x), 2);
                    power += t * t;
                }
        EXPECT_LE(std::sqrt(error / power), bound) << kernel;
    }
}

// Mutation tests: leave out every single synchronisation, one at a time. Each must show as a wrong value, a NaN or a
// deadlock under some schedule; a test suite that cannot see them could not see a real mistake either.
struct Mutation {
    emu::Fault fault;
    const char* name;
};
const Mutation kMutations[] = {{emu::Fault::cta_sync, "cta_sync"},           {emu::Fault::copy_wait, "copy_wait"},
                               {emu::Fault::mbarrier_wait, "mbarrier_wait"}, {emu::Fault::mbarrier_arrive, "mbarrier_arrive"},
                               {emu::Fault::named_barrier, "named_barrier"}, {emu::Fault::wgmma_wait, "wgmma_wait"}};

// The mutations that no schedule showed, as "name:site".
std::vector<std::string> survivors(Case& c, int* tried) {
    std::vector<std::string> alive;
    for (const Mutation& mutation : kMutations)
        for (int site = 0, sites = 1; site < sites; ++site) {
            bool seen = false, reached = false;
            for (const emu::Schedule schedule : {emu::Schedule::lazy, emu::Schedule::eager})
                for (std::uint64_t seed = 1; seed <= 4 && !seen; ++seed) {
                    emu::Report report;
                    seen = c.wrong({schedule, seed}, mutation.fault, site, &report) != 0;
                    sites = std::max(sites, report.sites);
                    reached = reached || report.sites > site;
                }
            if (!reached) break;
            ++*tried;
            if (!seen) alive.push_back(std::string(mutation.name) + ":" + std::to_string(site));
        }
    return alive;
}

TEST(cuda_body_kernels, break_when_any_synchronisation_is_left_out) {
    std::vector<Case> cases;
    cases.push_back(rows_case("conv64_f32acc", 4, 64, 64, 13, 70, 1));
    cases.push_back(hopper_case(1, 900, 1));  // one row: the only height at which each of its waits matters
    cases.push_back(s8_case("conv64_s8", 13, 120, 1, false));
    int tried = 0;
    for (Case& c : cases) {
        c.prepare();
        ASSERT_EQ(c.wrong(ways()[1]), 0);
        const std::vector<std::string> alive = survivors(c, &tried);
        std::string list;
        for (const auto& name : alive) list += name + " ";
        EXPECT_TRUE(alive.empty()) << c.kernel << ": not noticed: " << list;
    }
    EXPECT_GE(tried, 13);
}

}  // namespace
}  // namespace enlarge::cuda::test
