// SPDX-License-Identifier: Apache-2.0
// The whole backend (compile, session, run) on a driver that runs the kernels on the emulator, against the reference.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "backend/cuda/cuda.hpp"
#include "backend/reference/reference.hpp"
#include "base/half.hpp"
#include "base/log.hpp"
#include "fake_cuda.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;

const int kSomeImage = 1;

double psnr(const FloatPicture& a, const FloatPicture& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.values.size(); ++i) sum += std::pow(static_cast<double>(a.values[i]) - b.values[i], 2);
    return -10 * std::log10(sum / static_cast<double>(a.values.size()) + 1e-30);
}

// fp16 within 60 dB and one step of 8 bits of the truth.
void expect_close(const FloatPicture& truth, const FloatPicture& got) {
    ASSERT_EQ(truth.values.size(), got.values.size());
    EXPECT_GE(psnr(truth, got), 60);
    EXPECT_LE(test::largest_difference(truth, got), 1.0 / 255);
}

class CudaBackendTest : public testing::Test {
protected:
    void SetUp() override {
        void* library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
        ASSERT_TRUE(library) << dlerror();
        fake_ = reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"))();
        *fake_ = FakeCuda{};
        make();
    }
    void TearDown() override {
        backend_.reset();
        EXPECT_STREQ(fake_->error, "");
        EXPECT_EQ(fake_->bytes_in_use, 0);
    }
    void make(int calibration_side = 0) {
        cuda::BackendOptions options;
        options.library = FAKE_CUDA;
        options.images = {&kSomeImage};
        options.calibration_side = calibration_side;
        options.scene_side = 32;
        backend_ = cuda::make_backend(options);
    }
    FloatPicture truth(const Graph& graph, const FloatPicture& picture) { return test::run_whole(reference_backend(), graph, picture); }
    FloatPicture run(const Graph& graph, const FloatPicture& picture, Precision precision) {
        return test::run_whole(*backend_, graph, picture, nullptr, precision);
    }

    // fp32 within 1e-4 of the truth, and fp16 close to it.
    void expect_right(const Graph& graph, const FloatPicture& picture) {
        const FloatPicture expected = truth(graph, picture);
        EXPECT_LE(test::largest_difference(expected, run(graph, picture, Precision::fp32)), 1e-4);
        expect_close(expected, run(graph, picture, Precision::fp16));
    }

    FakeCuda* fake_ = nullptr;
    std::unique_ptr<Backend> backend_;
};

TEST_F(CudaBackendTest, computes_compact_networks_of_all_widths_and_scales) {
    struct Case {
        int features, scale, channels;
    };
    for (const Case& c : {Case{64, 4, 3}, Case{64, 2, 3}, Case{64, 1, 3}, Case{24, 4, 3}, Case{32, 2, 3}, Case{48, 3, 3},
                          Case{128, 2, 3}, Case{20, 2, 3}, Case{64, 2, 1}, Case{64, 8, 3}}) {
        SCOPED_TRACE("features " + std::to_string(c.features) + ", scale " + std::to_string(c.scale) + ", channels " + std::to_string(c.channels));
        const Graph graph = test::compact_graph(1, {.features = c.features, .convs = 2, .scale = c.scale, .channels = c.channels});
        const FloatPicture picture = test::random_picture(2, c.channels, {37, 21});
        expect_right(graph, picture);
    }
}

TEST_F(CudaBackendTest, computes_rrdb_networks) {
    for (const test::RrdbSpec& spec : {test::RrdbSpec{.features = 64, .growth = 32, .blocks = 1}, test::RrdbSpec{.features = 32, .growth = 16, .blocks = 2},
                                       test::RrdbSpec{.features = 16, .growth = 12, .blocks = 1}, test::RrdbSpec{.features = 24, .growth = 8, .upconvs = 2, .unshuffle = 2},
                                       test::RrdbSpec{.features = 16, .growth = 8, .upconvs = 2, .unshuffle = 4}, test::RrdbSpec{.upconvs = 1}}) {
        SCOPED_TRACE("features " + std::to_string(spec.features) + ", growth " + std::to_string(spec.growth) + ", unshuffle " + std::to_string(spec.unshuffle));
        const Graph graph = test::rrdb_graph(3, spec);
        const FloatPicture picture = test::random_picture(4, 3, {20, 12});
        expect_right(graph, picture);
    }
}

TEST_F(CudaBackendTest, computes_span_networks) {
    for (const test::SpanSpec& spec : {test::SpanSpec{.features = 48, .scale = 4}, test::SpanSpec{.features = 48, .scale = 2, .norm = false},
                                       test::SpanSpec{.features = 28, .scale = 1}, test::SpanSpec{.features = 64, .scale = 3}}) {
        SCOPED_TRACE("features " + std::to_string(spec.features) + ", scale " + std::to_string(spec.scale));
        const Graph graph = test::span_graph(5, spec);
        const FloatPicture picture = test::random_picture(6, 3, {35, 10});
        expect_right(graph, picture);
    }
}

// Graphs that no architecture has: whatever the fusion makes of them must be right.
TEST_F(CudaBackendTest, computes_odd_graphs) {
    for (int shape = 0; shape < 10; ++shape) {
        SCOPED_TRACE("shape " + std::to_string(shape));
        test::NetworkBuilder b(static_cast<std::uint64_t>(shape) + 10, 3);
        switch (shape) {
            case 0: {  // a tensor in two different concatenations, and twice in one
                const int x = b.prelu(b.conv(0, 16)), y = b.leaky_relu(b.conv(x, 8));
                const int one = b.conv(b.concat({x, y}), 16), two = b.conv(b.concat({y, x, x}), 16);
                b.conv(b.add(one, two, 0.5F, 0.25F), 3);
                break;
            }
            case 1: {  // parts that are not whole slices
                const int x = b.prelu(b.conv(0, 12)), y = b.leaky_relu(b.conv(x, 7)), z = b.conv(x, 9);
                b.conv(b.silu(b.conv(b.concat({x, y, z}), 20, 1)), 3);
                break;
            }
            case 2: {  // a sum of a value with itself; a value used by several
                const int x = b.conv(0, 24);
                const int y = b.add(x, x, 0.25F, 0.5F);
                b.conv(b.add(b.leaky_relu(y), b.conv(y, 24), 1, 0.5F), 3);
                break;
            }
            case 3: {  // upsampling used by a convolution and by something else
                const int x = b.conv(0, 16), up = b.upsample_nearest(x, 2);
                b.conv(b.add(b.conv(up, 16), up), 3);
                break;
            }
            case 4: {  // upsampling by 4 and by 3 before convolutions
                const int x = b.conv(b.upsample_nearest(b.conv(0, 16), 4), 8);
                b.conv(b.conv(b.upsample_nearest(x, 3), 8), 3);
                break;
            }
            case 5: {  // shuffle in the middle
                const int x = b.pixel_shuffle(b.conv(0, 64), 2);
                b.conv(b.pixel_unshuffle(b.prelu(b.conv(x, 4)), 2), 3);
                break;
            }
            case 6: {  // the output is no convolution
                b.leaky_relu(b.conv(b.conv(0, 40), 3), 0.1F);
                break;
            }
            case 7: {  // the picture as a residual of an inner sum; 1x1 convolutions throughout
                const int x = b.conv(0, 3, 1);
                b.add(b.conv(b.add(x, 0, 2, -1), 3, 1), 0, 0.5F, 0.5F);
                break;
            }
            case 8: {  // gate with itself, activation after a sum, scale and shift inside
                const int x = b.conv(0, 16);
                const int y = b.span_gate(x, x);
                const int z = b.prelu(b.add(b.conv(y, 16), x));
                b.conv(b.scale_shift(b.span_gate(b.conv(z, 16), z), std::vector<float>(16, 1.5F), std::vector<float>(16, -0.25F)), 3);
                break;
            }
            default: {  // nested concatenations
                const int x = b.conv(0, 16), y = b.conv(x, 8), z = b.conv(y, 8);
                const int inner = b.concat({y, z});
                b.conv(b.add(b.conv(b.concat({x, inner}), 16), inner), 3);
            }
        }
        const Graph graph = b.finish();
        const FloatPicture picture = test::random_picture(4, 3, {34, 18});
        const FloatPicture expected = truth(graph, picture);
        const double size = std::max(1.0, test::largest_difference(expected, FloatPicture(3, expected.size)));
        EXPECT_LE(test::largest_difference(expected, run(graph, picture, Precision::fp32)), 1e-4 * size);
        EXPECT_LE(test::largest_difference(expected, run(graph, picture, Precision::fp16)), 4e-3 * size);
    }
}

TEST_F(CudaBackendTest, gives_the_same_bits_for_any_tile_size_and_schedule) {
    const Graph graph = test::compact_graph(7, {.features = 64, .convs = 2, .scale = 2});
    const FloatPicture picture = test::random_picture(8, 3, {70, 45});
    const FloatPicture whole = run(graph, picture, Precision::fp16);
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    for (const int side : {16, 33, 64}) EXPECT_TRUE(test::same_bits(whole, test::run_tiled(*program, picture, side))) << side;
    fake_->lazy = false;
    fake_->multiprocessors = 1;
    EXPECT_TRUE(test::same_bits(whole, run(graph, picture, Precision::fp16)));
}

TEST_F(CudaBackendTest, gives_the_same_bits_for_tiles_of_networks_that_unshuffle) {
    const Graph graph = test::rrdb_graph(9, {.features = 16, .growth = 8, .upconvs = 2, .unshuffle = 2});
    const FloatPicture picture = test::random_picture(8, 3, {64, 20});
    const FloatPicture whole = run(graph, picture, Precision::fp16);
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    EXPECT_EQ(program->info().alignment, 2);
    EXPECT_TRUE(test::same_bits(whole, test::run_tiled(*program, picture, 22)));
}

// A half is half way between two samples of 8 bits: every way of writing them rounds it to the even one.
TEST_F(CudaBackendTest, rounds_alike_wherever_a_pixel_lies) {
    for (const bool normed : {false, true}) {  // in a chain, and node by node
        test::NetworkBuilder b(1, 3);
        int x = b.prelu(b.conv(0, 16));
        if (normed)
            x = b.append(
                op::InstanceNorm{1e-5F, make_values(std::vector<float>(16, 1)), make_values(std::vector<float>(16, 0))},
                {x});
        x = test::must(b.graph.conv2d(x, 12, 3, std::vector<float>(16 * 12 * 9, 0.0F), std::vector<float>(12, 0.5F)));
        b.pixel_shuffle(x, 2);
        CompileOptions options;
        options.precision = normed ? Precision::fp32 : Precision::fp16;
        const auto program = test::must(backend_->compile(b.finish(), options));
        const auto session = test::must(program->session());
        for (const bool planar : {false, true}) {
            const PixelFormat format{SampleType::u8, 8, 3, planar};
            const Image in({70, 9}, format);  // the last strip is not whole
            Image out({140, 18}, format);
            ASSERT_TRUE(test::must(session->run({in.view(), {0, 0, 70, 9}, out.view()})).finite);
            for (int p = 0; p < (planar ? 3 : 1); ++p)
                for (int y = 0; y < 18; ++y)
                    for (int i = 0; i < 140 * (planar ? 1 : 3); ++i)
                        ASSERT_EQ(std::to_integer<int>(out.view().row(p, y)[i]), 128) << planar << " " << i << "," << y;
        }
    }
}

// Every sample type, packed and planar, odd strides, in and out, against the float path.
TEST_F(CudaBackendTest, reads_and_writes_every_pixel_format) {
    const Graph graph = test::compact_graph(11, {.features = 64, .convs = 1, .scale = 4});
    const Graph stored = test::rrdb_graph(11, {.features = 8, .growth = 8, .upconvs = 1, .unshuffle = 2});  // other kernels load
    for (const Graph* g : {&graph, &stored})
        for (const PixelFormat format : {PixelFormat{SampleType::u8, 8, 3, false}, PixelFormat{SampleType::u8, 8, 3, true},
                                         PixelFormat{SampleType::u16, 16, 3, false}, PixelFormat{SampleType::u16, 10, 3, true},
                                         PixelFormat{SampleType::f16, 16, 3, false}, PixelFormat{SampleType::f32, 32, 3, false}}) {
            SCOPED_TRACE(std::to_string(static_cast<int>(format.sample)) + (format.planar ? " planar" : " packed"));
            const Size size{38, 10};
            Image in(size, format);
            FloatPicture floats(3, size);
            const auto at = [&](const ImageView& v, int c, int x, int y) -> const std::byte* {
                const int bytes = v.format.sample == SampleType::u8 ? 1 : v.format.sample == SampleType::f32 ? 4 : 2;
                return v.format.planar ? v.row(c, y) + x * bytes : v.row(0, y) + (x * 3 + c) * bytes;
            };
            const double top = format.sample == SampleType::u8 ? 255 : format.sample == SampleType::u16 ? (1 << format.bits) - 1 : 1;
            test::Random random(12);
            for (int c = 0; c < 3; ++c)
                for (int y = 0; y < size.height; ++y)
                    for (int x = 0; x < size.width; ++x) {
                        auto* p = const_cast<std::byte*>(at(in.view(), c, x, y));
                        const float v = random.uniform(0, 1);
                        if (format.sample == SampleType::u8) {
                            const auto u = static_cast<std::uint8_t>(std::lround(v * 255));
                            std::memcpy(p, &u, 1);
                            floats.at(c, x, y) = static_cast<float>(u) / 255.0F;
                        } else if (format.sample == SampleType::u16) {
                            const auto u = static_cast<std::uint16_t>(std::lround(v * top));
                            std::memcpy(p, &u, 2);
                            floats.at(c, x, y) = static_cast<float>(u / top);
                        } else if (format.sample == SampleType::f16) {
                            const std::uint16_t h = float_to_half(v);
                            std::memcpy(p, &h, 2);
                            floats.at(c, x, y) = half_to_float(h);
                        } else {
                            std::memcpy(p, &v, 4);
                            floats.at(c, x, y) = v;
                        }
                    }
            CompileOptions options;
            options.precision = Precision::fp16;
            const auto program = test::must(backend_->compile(*g, options));
            const auto session = test::must(program->session());
            const Rect core{4, 2, 30, 6};
            const int scale = program->info().scale;
            Image out({core.width * scale, core.height * scale}, format);
            ASSERT_TRUE(test::must(session->run({in.view(), core, out.view()})).finite);
            const FloatPicture expected = test::run_tile(*session, program->info(), floats, {0, 0, size.width, size.height}, core);
            double worst = 0;
            for (int c = 0; c < 3; ++c)
                for (int y = 0; y < out.size().height; ++y)
                    for (int x = 0; x < out.size().width; ++x) {
                        const std::byte* p = at(out.view(), c, x, y);
                        const double e = expected.at(c, x, y);
                        double got = 0, wanted = e, tolerance = 1e-3 * std::max(1.0, std::fabs(e));
                        if (format.sample == SampleType::u8 || format.sample == SampleType::u16) {
                            std::uint16_t u = 0;
                            std::memcpy(&u, p, format.sample == SampleType::u8 ? 1 : 2);
                            got = u;
                            wanted = std::clamp(e, 0.0, 1.0) * top;
                            tolerance = 0.5 + 1e-3 * top;  // u16: conversion by division or by factor before half rounding
                        } else if (format.sample == SampleType::f16) {
                            std::uint16_t h = 0;
                            std::memcpy(&h, p, 2);
                            got = half_to_float(h);
                        } else {
                            float f = 0;
                            std::memcpy(&f, p, 4);
                            got = f;
                        }
                        worst = std::max(worst, std::fabs(got - wanted) / tolerance);
                    }
            EXPECT_LE(worst, 1);
        }
}

TEST_F(CudaBackendTest, says_when_the_result_is_not_finite) {
    test::NetworkBuilder b(1, 3);
    int x = b.conv(0, 64, 3, 300.0F);
    for (int i = 0; i < 4; ++i) x = b.prelu(b.conv(x, 64, 3, 300.0F));  // far beyond what half precision holds
    b.conv(x, 3);
    const Graph graph = b.finish();
    FloatPicture picture = test::random_picture(2, 3, {33, 9});
    for (const Precision precision : {Precision::fp16, Precision::fp32}) {
        CompileOptions options;
        options.precision = precision;
        const auto program = test::must(backend_->compile(graph, options));
        const auto session = test::must(program->session());
        FloatPicture out(3, picture.size);
        const TileReport report = test::must(session->run({picture.view(), {0, 0, 33, 9}, out.view()}));
        EXPECT_EQ(report.finite, precision == Precision::fp32);
    }
}

TEST_F(CudaBackendTest, takes_the_exact_path_when_half_precision_is_not_good_enough) {
    test::NetworkBuilder b(1, 3);
    int x = b.conv(0, 64, 3, 300.0F);
    for (int i = 0; i < 4; ++i) x = b.prelu(b.conv(x, 64, 3, 300.0F));
    b.conv(x, 3);
    make(8);
    const auto bad = test::must(backend_->compile(b.finish(), {}));
    EXPECT_EQ(bad->info().precision, Precision::fp32);
    const auto good = test::must(backend_->compile(test::compact_graph(1, {.features = 64}), {}));
    EXPECT_EQ(good->info().precision, Precision::fp16);
    EXPECT_GE(good->info().calibration_psnr, 58);
}

TEST_F(CudaBackendTest, sums_in_half_precision_on_geforce_only_where_that_is_good_enough) {
    fake_->name = "NVIDIA GeForce RTX 4090";
    fake_->minor = 9;
    make(16);
    const Graph graph = test::compact_graph(1, {.features = 64, .convs = 2, .scale = 4});
    const auto program = test::must(backend_->compile(graph, {}));
    EXPECT_NE(program->info().description.find("half-precision sums"), std::string::npos) << program->info().description;
    const FloatPicture picture = test::random_picture(2, 3, {37, 21});
    expect_close(truth(graph, picture), run(graph, picture, Precision::fp16));
}

// 8 bits: close enough on a network that is well conditioned, refused with the number on one that is not.
TEST_F(CudaBackendTest, computes_in_8_bits_only_behind_its_quality_gate) {
    CompileOptions options;
    options.precision = Precision::int8;
    const Graph graph = test::compact_graph(1, {.features = 64, .convs = 2, .scale = 2});
    FloatPicture picture = test::random_picture(2, 3, {37, 21});
    for (const int major : {8, 9}) {
        fake_->major = major;
        make();
        const auto program = test::must(backend_->compile(graph, options));
        EXPECT_EQ(program->info().precision, Precision::int8);
        EXPECT_GE(program->info().calibration_psnr, 45);
        const auto session = test::must(program->session());
        const Rect all{0, 0, 37, 21};
        EXPECT_GE(psnr(truth(graph, picture), test::run_tile(*session, program->info(), picture, all, all)), 40);
    }
    const auto other = backend_->compile(test::span_graph(1), options);
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().code, Errc::unsupported);
    // A network that subtracts two large values that are nearly the same: eight bits cannot hold the difference.
    test::NetworkBuilder b(3, 3);
    int x = b.prelu(b.conv(0, 64, 3, 1));
    for (int i = 0; i < 3; ++i) x = b.prelu(b.conv(x, 64));
    x = b.conv(x, 12, 3, 20.0F);
    b.pixel_shuffle(x, 2);
    const auto poor = backend_->compile(b.finish(), options);
    ASSERT_FALSE(poor.ok());
    EXPECT_NE(poor.error().message.find("dB to fp32 with this model; 47 are needed"), std::string::npos) << poor.error().message;
}

TEST_F(CudaBackendTest, runs_hopper_kernels_on_hopper) {
    fake_->major = 9;
    const Graph graph = test::compact_graph(1, {.features = 64, .convs = 2, .scale = 4});
    const FloatPicture picture = test::random_picture(2, 3, {140, 9});
    expect_close(truth(graph, picture), run(graph, picture, Precision::fp16));
    CompileOptions options;
    options.precision = Precision::fp16;
    EXPECT_NE(test::must(backend_->compile(graph, options))->info().description.find("wgmma"), std::string::npos);
}

TEST_F(CudaBackendTest, records_a_graph_per_size_and_allocates_nothing_once_warm) {
    const Graph graph = test::compact_graph(1, {.features = 32, .convs = 1});
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(2, 3, {40, 30});
    const auto go = [&](const Rect& in) { return test::run_tile(*session, program->info(), picture, in, in); };
    const FloatPicture first = go({0, 0, 40, 30});
    const FloatPicture small = go({0, 0, 20, 10});
    go({0, 0, 40, 30});
    go({0, 0, 20, 10});
    const auto allocations = fake_->allocations + fake_->host_allocations, graphs = fake_->graph_launches;
    EXPECT_TRUE(test::same_bits(first, go({0, 0, 40, 30})));
    EXPECT_TRUE(test::same_bits(small, go({0, 0, 20, 10})));
    EXPECT_EQ(fake_->allocations + fake_->host_allocations, allocations);
    EXPECT_EQ(fake_->graph_launches, graphs + 2);
}

TEST_F(CudaBackendTest, works_without_graphs) {
    fake_->graphs_fail = true;
    const Graph graph = test::compact_graph(1, {.features = 32, .convs = 1});
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(2, 3, {40, 30});
    const Rect all{0, 0, 40, 30};
    const FloatPicture first = test::run_tile(*session, program->info(), picture, all, all);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(test::same_bits(first, test::run_tile(*session, program->info(), picture, all, all)));
    EXPECT_EQ(fake_->graph_launches, 0);
}

TEST_F(CudaBackendTest, halves_tiles_that_do_not_fit_and_says_so_once) {
    const Graph graph = test::compact_graph(1, {.features = 64, .convs = 1, .scale = 2});
    FloatPicture picture = test::random_picture(2, 3, {90, 60});
    const FloatPicture expected = run(graph, picture, Precision::fp16);
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    fake_->memory = static_cast<std::size_t>(fake_->bytes_in_use + program->memory_bytes({40, 40}));
    std::vector<std::string> said;
    set_log_sink([&](LogLevel, const std::string& line) { said.push_back(line); });
    const auto session = test::must(program->session());
    const Rect all{0, 0, 90, 60};
    EXPECT_TRUE(test::same_bits(expected, test::run_tile(*session, program->info(), picture, all, all)));
    EXPECT_TRUE(test::same_bits(expected, test::run_tile(*session, program->info(), picture, all, all)));
    set_log_sink({});
    ASSERT_EQ(said.size(), 1U);
    EXPECT_NE(said[0].find("not enough memory"), std::string::npos) << said[0];
    EXPECT_GT(fake_->failed_allocations, 0);
}

TEST_F(CudaBackendTest, fails_for_lack_of_memory_when_no_tile_is_small_enough) {
    const Graph graph = test::compact_graph(1, {.features = 64, .convs = 1, .scale = 2});
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    fake_->memory = static_cast<std::size_t>(fake_->bytes_in_use) + 5000;
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(2, 3, {64, 48}), out(3, {128, 96});
    const auto report = session->run({picture.view(), {0, 0, 64, 48}, out.view()});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, Errc::memory);
    fake_->memory = std::size_t{1} << 32;
}

TEST_F(CudaBackendTest, stays_within_the_memory_it_states) {
    const Graph graph = test::rrdb_graph(1, {.features = 16, .growth = 8});
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    const auto weights = fake_->bytes_in_use;
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(2, 3, {31, 17});
    test::run_tile(*session, program->info(), picture, {0, 0, 31, 17}, {0, 0, 31, 17});
    EXPECT_LE(fake_->most_bytes - weights, program->memory_bytes({31, 17}));
}

TEST_F(CudaBackendTest, gives_sessions_the_gpus_in_turn) {
    fake_->devices = 2;
    const Graph graph = test::compact_graph(1, {.features = 32, .convs = 1});
    CompileOptions options;
    options.precision = Precision::fp16;
    options.device = -1;
    const auto program = test::must(backend_->compile(graph, options));
    FloatPicture picture = test::random_picture(2, 3, {24, 16});
    const Rect all{0, 0, 24, 16};
    const auto a = test::must(program->session()), b = test::must(program->session());
    EXPECT_TRUE(test::same_bits(test::run_tile(*a, program->info(), picture, all, all), test::run_tile(*b, program->info(), picture, all, all)));
    EXPECT_GT(fake_->kernels_on_device[0], 0);
    EXPECT_EQ(fake_->kernels_on_device[0], fake_->kernels_on_device[1]);
}

TEST_F(CudaBackendTest, opens_a_gpu_when_a_session_needs_it_and_passes_over_one_that_fails) {
    fake_->devices = 3;
    fake_->fails_device = 1;
    const Graph graph = test::compact_graph(1, {.features = 32, .convs = 1});
    CompileOptions options;
    options.precision = Precision::fp16;
    options.device = -1;
    const auto program = test::must(backend_->compile(graph, options));
    EXPECT_EQ(program->devices(), 3);
    EXPECT_EQ(fake_->opened, 1);
    FloatPicture picture = test::random_picture(2, 3, {24, 16});
    const Rect all{0, 0, 24, 16};
    std::vector<FloatPicture> results;
    std::vector<std::unique_ptr<Session>> sessions;
    for (int i = 0; i < 3; ++i) {
        sessions.push_back(test::must(program->session()));
        results.push_back(test::run_tile(*sessions.back(), program->info(), picture, all, all));
        EXPECT_TRUE(test::same_bits(results[0], results.back()));
    }
    EXPECT_EQ(fake_->opened, 2);
    EXPECT_EQ(fake_->kernels_on_device[1], 0);
    EXPECT_GT(fake_->kernels_on_device[2], 0);
    // The first one fails: the next decides.
    fake_->fails_device = 0;
    make();
    EXPECT_EQ(test::must(backend_->compile(graph, options))->devices(), 2);
}

// What a copy of weights has brought so far must not be read: the driver returns before it has landed, and streams that
// do not block do not wait for it.
TEST_F(CudaBackendTest, waits_for_weights_before_it_computes) {
    const Graph graph = test::compact_graph(1, {.features = 32, .convs = 1});
    const FloatPicture picture = test::random_picture(2, 3, {24, 16});
    const FloatPicture expected = truth(graph, picture);
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        fake_->seed = seed;
        make();
        EXPECT_LE(test::largest_difference(expected, run(graph, picture, Precision::fp32)), 1e-4) << seed;
    }
}

TEST_F(CudaBackendTest, describes_devices_and_what_is_wrong_with_them) {
    fake_->devices = 2;
    fake_->name = "NVIDIA H200";
    fake_->major = 9;
    auto found = backend_->probe();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[1].id, "cuda:1");
    EXPECT_EQ(found[1].name, "NVIDIA H200");
    EXPECT_TRUE(found[1].usable);
    EXPECT_NE(found[1].detail.find("sm_90"), std::string::npos) << found[1].detail;
    CompileOptions options;
    options.device = 7;
    const auto missing = backend_->compile(test::compact_graph(1), options);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().message, "there is no cuda:7; GPUs here: 2");

    fake_->major = 6;
    fake_->minor = 1;
    found = backend_->probe();
    EXPECT_FALSE(found[0].usable);
    EXPECT_NE(found[0].detail.find("Turing (sm_75) or newer is needed"), std::string::npos) << found[0].detail;

    fake_->version = 11040;
    make();
    found = backend_->probe();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_NE(found[0].detail.find("supports CUDA 11.4; 12.0 or newer is needed"), std::string::npos) << found[0].detail;

    fake_->version = 12000;
    fake_->devices = 0;
    make();
    EXPECT_NE(backend_->probe()[0].detail.find("sees no GPU"), std::string::npos) << backend_->probe()[0].detail;
    fake_->init_result = 100;
    make();
    EXPECT_NE(backend_->probe()[0].detail.find("sees no GPU"), std::string::npos) << backend_->probe()[0].detail;
}

TEST_F(CudaBackendTest, says_in_one_sentence_that_there_is_no_driver) {
    cuda::BackendOptions options;
    options.library = "libcuda_that_is_not_there.so.1";
    options.images = {&kSomeImage};
    backend_ = cuda::make_backend(options);
    const auto found = backend_->probe();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_FALSE(found[0].usable);
    EXPECT_EQ(found[0].detail, "no NVIDIA driver found (libcuda_that_is_not_there.so.1)");
}

TEST_F(CudaBackendTest, says_when_the_driver_refuses_the_kernels) {
    fake_->version = 12040;
    fake_->module_result = 222;
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = backend_->compile(test::compact_graph(1), options);
    ASSERT_FALSE(program.ok());
    EXPECT_EQ(program.error().code, Errc::device);
    EXPECT_NE(program.error().message.find("loading our kernels"), std::string::npos) << program.error().message;
}

TEST_F(CudaBackendTest, stops_when_asked_to) {
    const Graph graph = test::compact_graph(1, {.features = 16});
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = test::must(backend_->compile(graph, options));
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(2, 3, {24, 16}), out(3, {48, 32});
    const std::function<bool(double)> stop = [](double) { return false; };
    const auto report = session->run({picture.view(), {0, 0, 24, 16}, out.view(), &stop});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, Errc::cancelled);
}

}  // namespace
}  // namespace enlarge
