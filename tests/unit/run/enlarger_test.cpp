// SPDX-License-Identifier: Apache-2.0
#include "run/enlarger.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>

#include "base/cpu.hpp"
#include "kernels/table.hpp"
#include "run/network_stage.hpp"
#include "support/images.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using namespace test;

// Everything here is run for each of these; "cpu" only where the build has it.
std::vector<const Backend*> exact_backends() {
    std::vector<const Backend*> all;
    for (const Backend* backend : backends())
        if (backend->name() == "reference" || backend->name() == "cpu") all.push_back(backend);
    return all;
}

std::shared_ptr<NetworkEngine> make_engine(const Backend& backend, Graph graph, ThreadPool* pool = nullptr) {
    CompileOptions options;
    options.precision = Precision::fp32;
    options.pool = pool;
    auto shared = std::make_shared<const Graph>(std::move(graph));
    std::shared_ptr<const Program> program = must(backend.compile(*shared, options));
    return std::make_shared<NetworkEngine>(shared, backend, options, program);
}

Image enlarge_picture(const std::shared_ptr<NetworkEngine>& engine, const ImageView& in, Size out, PixelFormat format,
                      const EnlargerOptions& options = {}) {
    Enlarger enlarger(engine, options);
    Image result(out, format);
    must(enlarger.run(in, result.view(), {}));
    return result;
}

Size times(Size size, int scale) { return {size.width * scale, size.height * scale}; }

struct Case {
    const char* name;
    Graph (*make)();
};
const Case kNetworks[] = {
    {"Compact x2", [] { return compact_graph(1, {16, 2, 2, 3}); }},
    {"Compact x4", [] { return compact_graph(2, {24, 1, 4, 3}); }},
    {"Compact x1", [] { return compact_graph(3, {16, 1, 1, 3}); }},
    {"SPAN x2", [] { return span_graph(4, {16, 2, true}); }},
    {"RRDB x4", [] { return rrdb_graph(5, {8, 8, 1, 2, 1, 3}); }},
    {"RRDB x2, unshuffled", [] { return rrdb_graph(6, {8, 8, 1, 2, 2, 3}); }},
    {"RRDB x1, unshuffled by 4", [] { return rrdb_graph(7, {8, 8, 1, 2, 4, 3}); }},
    {"attention in windows x2", [] { return attention_graph(8, true); }},
    {"attention and a norm of the whole picture x2", [] { return attention_graph(9, false); }},
};

TEST(enlarger, gives_the_same_bits_for_every_tile_size) {
    const Image picture = make_picture({41, 35}, kRgb8);
    for (const Backend* backend : exact_backends())
        for (const Case& network : kNetworks) {
            const auto engine = make_engine(*backend, network.make());
            const Size out = times(picture.size(), engine->info().scale);
            const Image whole = enlarge_picture(engine, picture.view(), out, kRgbF32Planar);
            for (const int tile : {7, 16, 20, 33}) {
                const Image tiled = enlarge_picture(engine, picture.view(), out, kRgbF32Planar, {0, tile, false, nullptr});
                EXPECT_TRUE(same_bits(whole.view(), tiled.view())) << backend->name() << ", " << network.name << ", tile " << tile;
            }
        }
}

TEST(enlarger, gives_the_same_bits_for_every_tile_size_of_a_tiny_picture) {
    for (const Size size : {Size{1, 1}, Size{2, 1}, Size{1, 3}, Size{5, 4}, Size{9, 7}}) {
        const Image picture = make_picture(size, kRgb8);
        for (const Backend* backend : exact_backends())
            for (const Case& network : kNetworks) {
                const auto engine = make_engine(*backend, network.make());
                const Size out = times(size, engine->info().scale);
                const Image whole = enlarge_picture(engine, picture.view(), out, kRgb8);
                for (const int tile : {1, 2, 3, 5})
                    EXPECT_TRUE(same_bits(whole.view(), enlarge_picture(engine, picture.view(), out, kRgb8,
                                                                        {0, tile, false, nullptr}).view()))
                        << backend->name() << ", " << network.name << ", " << size.width << "x" << size.height << ", tile " << tile;
            }
    }
}

// A residual dense network of 6 blocks sees 93 pixels far; its tiles overlap by 64.
TEST(enlarger, shows_no_seams_where_a_deep_network_is_tiled) {
    const auto engine = make_engine(*exact_backends().front(), rrdb_graph(8, {8, 8, 6, 2, 1, 3}));
    ASSERT_GT(engine->graph().receptive_radius().value_or(0), 64);
    const Image picture = make_picture({170, 150}, kRgb8);
    const Image whole = enlarge_picture(engine, picture.view(), {680, 600}, kRgbF32Planar);
    const Image tiled = enlarge_picture(engine, picture.view(), {680, 600}, kRgbF32Planar, {0, 40, false, nullptr});
    EXPECT_LT(largest_difference(whole.view(), tiled.view()), 1e-4);
    EXPECT_FALSE(same_bits(whole.view(), tiled.view()));  // it does read less than the network sees
}

TEST(enlarger, gives_dense_blocks_with_attention_all_they_see) {
    for (const bool attention : {false, true}) {
        NetworkBuilder b(9, 3);
        int x = b.conv(0, 4);
        for (int i = 0; i < (attention ? 36 : 9); ++i) x = b.conv(x, 4, 17);
        x = b.conv(b.concat({x, b.silu(x), b.prelu(x), b.leaky_relu(x), b.conv(x, 4)}), 12, 1);
        if (attention) x = b.append(op::WindowAttention{2, 4, 4, 0, 0, 0.5F, {}}, {x});
        b.pixel_shuffle(b.conv(x, 12, 1), 2);
        const Graph graph = b.finish();
        ASSERT_GT(graph.receptive_radius().value_or(0), 64 * graph.size_multiple());
        EXPECT_EQ(tiles_are_exact(graph), attention);
    }
}

TEST(enlarger, streams_rows_with_the_same_bits_as_in_memory) {
    for (const auto& format : {kRgb8, kRgb16, kRgbF32, format_of(SampleType::u8, 1), format_of(SampleType::u8, 4),
                               format_of(SampleType::u16, 2), format_of(SampleType::f16, 3, true)}) {
        const Image picture = make_picture({25, 150}, format);
        for (const Case& network : {kNetworks[0], kNetworks[6]}) {
            const auto engine = make_engine(*exact_backends().front(), network.make());
            for (const double scale : {static_cast<double>(engine->info().scale), 1.5}) {
                const Size out{static_cast<int>(std::lround(25 * scale)), static_cast<int>(std::lround(150 * scale))};
                const Image whole = enlarge_picture(engine, picture.view(), out, format);
                Enlarger enlarger(engine, {0, 32, false, nullptr});
                MemorySource source(picture.view());
                MemorySink sink(out, format);
                must(enlarger.run(source, sink, out, format, {}));
                EXPECT_EQ(sink.row, out.height);
                EXPECT_TRUE(same_bits(whole.view(), sink.picture.view()))
                    << network.name << ", " << int{format.channels} << " channels, " << int{format.bits} << " bits, scale " << scale;
            }
        }
    }
}

TEST(enlarger, keeps_within_a_memory_limit_by_smaller_tiles_and_says_when_it_cannot) {
    const Image picture = make_picture({480, 360}, kRgb8);
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    const Image whole = enlarge_picture(engine, picture.view(), {960, 720}, kRgb8);
    const std::int64_t all = engine->program().memory_bytes({480, 360});
    Enlarger limited(engine, {all / 3, 0, false, nullptr});
    Image out({960, 720}, kRgb8);
    const UpscaleReport report = must(limited.run(picture.view(), out.view(), {}));
    EXPECT_GT(report.tiles, 1);
    EXPECT_TRUE(same_bits(whole.view(), out.view()));

    Enlarger hopeless(engine, {1000, 0, false, nullptr});
    const auto refused = hopeless.run(picture.view(), out.view(), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::memory);
    EXPECT_NE(refused.error().message.find("at least"), std::string::npos) << refused.error().message;
}

// A mean over the picture between its convolutions.
Graph mean_graph() {
    NetworkBuilder b(3, 3);
    const int x = b.conv(b.prelu(b.conv(0, 16)), 16);
    const int y = b.append(op::Multiply{}, {x, b.append(op::Sigmoid{}, {b.conv(b.append(op::GlobalMean{}, {x}), 16, 1)})});
    b.pixel_shuffle(b.conv(b.conv(y, 16), 12, 3, 0.5F), 2);
    return b.finish();
}

TEST(enlarger, runs_what_reads_the_whole_picture_within_a_memory_limit) {
    const Image picture = make_picture({480, 360}, kRgb8);
    const auto engine = make_engine(*must(choose_backend("cpu")), mean_graph());
    const Image whole = enlarge_picture(engine, picture.view(), {960, 720}, kRgb8);
    const std::int64_t all = engine->program().memory_bytes({480, 360}), least = engine->program().least_memory_bytes({480, 360});
    ASSERT_LT(least, all / 2);
    Enlarger limited(engine, {(least + all) / 2, 0, false, nullptr}), smallest(engine, {least, 0, false, nullptr}), hopeless(engine, {least - 1, 0, false, nullptr});
    for (Enlarger* const enlarger : {&limited, &smallest}) {
        Image out({960, 720}, kRgb8);
        EXPECT_LE(must(enlarger->memory_for({480, 360}, kRgb8, {960, 720})), (least + all) / 2 + (std::int64_t{1} << 20));
        EXPECT_EQ(must(enlarger->run(picture.view(), out.view(), {})).tiles, 1);
        EXPECT_TRUE(same_bits(whole.view(), out.view()));
    }
    Image out({960, 720}, kRgb8);
    EXPECT_EQ(hopeless.run(picture.view(), out.view(), {}).error().code, Errc::memory);
    // A tile size does not make all the work once more for each tile.
    Enlarger tiled(engine, {0, 64, false, nullptr});
    EXPECT_EQ(must(tiled.run(picture.view(), out.view(), {})).tiles, 1);
    EXPECT_TRUE(same_bits(whole.view(), out.view()));
}

TEST(enlarger, averages_the_eight_symmetries_whatever_the_tile) {
    for (const Backend* backend : exact_backends()) {
        const auto engine = make_engine(*backend, compact_graph(1, {16, 1, 2, 3}));
        const Image picture = make_picture({37, 30}, kRgb8);
        const Image whole = enlarge_picture(engine, picture.view(), {74, 60}, kRgbF32Planar, {0, 0, true, nullptr});
        for (const int tile : {8, 13, 32})
            EXPECT_TRUE(same_bits(whole.view(), enlarge_picture(engine, picture.view(), {74, 60}, kRgbF32Planar,
                                                                {0, tile, true, nullptr}).view())) << tile;
        // The average of a mirrored picture is the mirrored average, up to the order of the sum.
        Image mirrored(picture.size(), kRgb8), back({74, 60}, kRgbF32Planar);
        for (int y = 0; y < 30; ++y)
            for (int x = 0; x < 37; ++x)
                std::memcpy(mirrored.view().row(0, y) + 3 * x, picture.view().row(0, y) + 3 * (36 - x), 3);
        const Image turned = enlarge_picture(engine, mirrored.view(), {74, 60}, kRgbF32Planar, {0, 0, true, nullptr});
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 60; ++y)
                for (int x = 0; x < 74; ++x)
                    reinterpret_cast<float*>(back.view().row(c, y))[x] =
                        reinterpret_cast<const float*>(turned.view().row(c, y))[73 - x];
        EXPECT_LT(largest_difference(whole.view(), back.view()), 1e-6);
        const Image plain = enlarge_picture(engine, picture.view(), {74, 60}, kRgbF32Planar);
        EXPECT_GT(largest_difference(whole.view(), plain.view()), 1e-4);  // it does something
    }
}

TEST(enlarger, runs_the_network_as_often_as_the_size_asks_for) {
    EXPECT_EQ(passes_for(4, {100, 100}, {400, 400}), 1);
    EXPECT_EQ(passes_for(4, {100, 100}, {150, 150}), 1);
    EXPECT_EQ(passes_for(4, {100, 100}, {430, 430}), 1);  // 7 % more is left to the filter
    EXPECT_EQ(passes_for(4, {100, 100}, {800, 800}), 2);
    EXPECT_EQ(passes_for(4, {100, 100}, {100, 1600}), 2);
    EXPECT_EQ(passes_for(2, {100, 100}, {800, 800}), 3);
    EXPECT_EQ(passes_for(1, {100, 100}, {800, 800}), 1);
    // Stretched one way and shrunk the other: more runs would compute millions of rows to throw them away.
    EXPECT_EQ(passes_for(4, {1, 1048577}, {4096, 16}), 1);
    EXPECT_EQ(passes_for(4, {1, 16}, {4096, 16}), 4);
    EXPECT_EQ(passes_for(4, {16375, 3}, {65500, 257}), 3);  // a fourth would compute 190 pixels for one
    EXPECT_EQ(passes_for(4, {100, 100}, {450, 450}), 2);
    EXPECT_EQ(passes_for(2, {100, 100}, {230, 230}), 2);
    EXPECT_EQ(passes_for(4, {1, 100}, {4096, 409600}), 6);

    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 1, 2, 3}));
    const Image picture = make_picture({20, 18}, kRgb8);
    Enlarger enlarger(engine, {});
    Image out({60, 54}, kRgb8);
    const UpscaleReport report = must(enlarger.run(picture.view(), out.view(), {}));
    EXPECT_EQ(report.passes, 2);
    EXPECT_EQ(report.output.width, 60);

    // Two runs are what running it twice by hand gives, floats in between.
    const Image once = enlarge_picture(engine, picture.view(), {40, 36}, kRgbF32Planar);
    Image clamped = copy_of(once.view());
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 36; ++y)
            for (int x = 0; x < 40; ++x) {
                float& v = reinterpret_cast<float*>(clamped.view().row(c, y))[x];
                v = std::clamp(v, 0.0F, 1.0F);
            }
    const Image twice = enlarge_picture(engine, clamped.view(), {80, 72}, kRgb8);
    EXPECT_TRUE(same_bits(twice.view(), enlarge_picture(engine, picture.view(), {80, 72}, kRgb8).view()));
}

TEST(enlarger, keeps_opaque_pixels_opaque_and_clear_ones_clear) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    Image picture = make_picture({40, 30}, format_of(SampleType::u8, 4));
    for (int y = 0; y < 30; ++y)
        for (int x = 0; x < 40; ++x) picture.view().row(0, y)[4 * x + 3] = std::byte(x < 20 ? 255 : 0);
    const Image out = enlarge_picture(engine, picture.view(), {80, 60}, picture.format());
    for (int y = 0; y < 60; ++y)
        for (int x = 0; x < 80; ++x) {
            const int alpha = std::to_integer<int>(out.view().row(0, y)[4 * x + 3]);
            if (x < 32) {
                EXPECT_EQ(alpha, 255) << x;
            } else if (x >= 48) {
                EXPECT_EQ(alpha, 0) << x;
            }
        }
    for (const int tile : {5, 16})
        EXPECT_TRUE(same_bits(out.view(), enlarge_picture(engine, picture.view(), {80, 60}, picture.format(),
                                                          {0, tile, false, nullptr}).view()));
}

TEST(enlarger, filters_alpha_instead_of_the_network_when_asked_to) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    Image picture = make_picture({40, 30}, format_of(SampleType::u8, 4));
    for (int y = 0; y < 30; ++y)
        for (int x = 0; x < 40; ++x) picture.view().row(0, y)[4 * x + 3] = std::byte(4 * x + 2 * y);  // a ramp
    EnlargerOptions options;
    options.alpha = AlphaMode::lanczos;
    const Image out = enlarge_picture(engine, picture.view(), {80, 60}, format_of(SampleType::f32, 4, true), options);
    for (int y = 12; y < 48; ++y)
        for (int x = 12; x < 68; ++x)
            EXPECT_NEAR(reinterpret_cast<const float*>(out.view().row(3, y))[x], (4 * (x / 2.0 - 0.25) + 2 * (y / 2.0 - 0.25)) / 255, 2e-3);
    options.tile = 9;
    EXPECT_TRUE(same_bits(out.view(), enlarge_picture(engine, picture.view(), {80, 60}, out.format(), options).view()));
}

TEST(enlarger, lets_no_hidden_colour_reach_the_visible_edge) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    Image one({40, 30}, format_of(SampleType::u8, 4)), other({40, 30}, one.format());
    for (int y = 0; y < 30; ++y)
        for (int x = 0; x < 40; ++x)
            for (int c = 0; c < 4; ++c) {
                const int visible = 90 + 3 * x + y;
                one.view().row(0, y)[4 * x + c] = std::byte(c == 3 ? (x < 20 ? 255 : 0) : x < 20 ? visible : 0);
                other.view().row(0, y)[4 * x + c] = std::byte(c == 3 ? (x < 20 ? 255 : 0) : x < 20 ? visible : 255);
            }
    const Image a = enlarge_picture(engine, one.view(), {80, 60}, one.format());
    const Image b = enlarge_picture(engine, other.view(), {80, 60}, one.format());
    EXPECT_TRUE(same_bits(a.view(), b.view()));
}

TEST(enlarger, grey_is_three_equal_channels_and_their_luma) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    const Image grey = make_picture({33, 21}, format_of(SampleType::u16, 1));
    Image rgb = in_three_channels(grey.view());
    std::memset(rgb.view().row(0, 0) + 6 * 32, 0, 2);  // has a colour, at the right
    const Image from_grey = enlarge_picture(engine, grey.view(), {66, 42}, format_of(SampleType::f32, 1));
    const Image from_rgb = enlarge_picture(engine, rgb.view(), {66, 42}, kRgbF32Planar);
    for (int y = 0; y < 42; ++y)
        for (int x = 0; x < 2 * (32 - engine->info().halo); ++x) {
            const auto at = [&](int c) { return reinterpret_cast<const float*>(from_rgb.view().row(c, y))[x]; };
            EXPECT_NEAR(reinterpret_cast<const float*>(from_grey.view().row(0, y))[x],
                        0.299F * at(0) + 0.587F * at(1) + 0.114F * at(2), 1e-6);
        }
}

TEST(enlarger, a_picture_without_colour_stays_without_and_has_the_bits_of_the_grey_one) {
    for (const Backend* backend : exact_backends())
        for (const int channels : {1, 2})
            for (const SampleType sample : {SampleType::u8, SampleType::u16, SampleType::f32}) {
                const auto engine = make_engine(*backend, compact_graph(1, {16, 2, 2, 3}));
                const Image grey = make_picture({40, 90}, format_of(sample, channels));
                const Image rgb = in_three_channels(grey.view());
                for (const double strength : {1.0, 0.5})
                    for (const Size out : {Size{80, 180}, Size{60, 130}}) {
                        EnlargerOptions options;
                        options.strength = strength;
                        const Image of_grey = enlarge_picture(engine, grey.view(), out, grey.format(), options);
                        const Image of_rgb = enlarge_picture(engine, rgb.view(), out, rgb.format(), options);
                        const Image wanted = in_three_channels(of_grey.view());
                        EXPECT_TRUE(same_bits(wanted.view(), of_rgb.view()));
                        Enlarger enlarger(engine, options);
                        MemorySource source(rgb.view());
                        MemorySink sink(out, rgb.format());
                        must(enlarger.run(source, sink, out, rgb.format(), {}));
                        EXPECT_TRUE(same_bits(wanted.view(), std::as_const(sink.picture).view()));
                        MemorySource again(rgb.view());
                        const Rect part{out.width / 2, out.height / 3, 17, 23};
                        MemorySink some(part.size(), rgb.format());
                        must(enlarger.run_part(again, some, out, rgb.format(), part, {}));
                        EXPECT_TRUE(same_bits(wanted.view().part(part), std::as_const(some.picture).view()));
                    }
            }
}

TEST(enlarger, what_codecs_leave_of_colour_and_what_is_transparent_make_no_colour) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    for (const int channels : {3, 4}) {
        Image rgb = in_three_channels(make_picture({40, 30}, format_of(SampleType::u8, channels - 2)).view());
        const auto sample = [&](int x, int y, int c) -> std::byte& { return rgb.view().row(0, y)[channels * x + c]; };
        const auto moved = [](std::byte value, int by) {
            return static_cast<std::byte>(std::clamp(std::to_integer<int>(value) + by, 0, 255));
        };
        for (int y = 0; y < 30; ++y)
            for (int x = 0; x < 40; ++x) {
                sample(x, y, 1) = moved(sample(x, y, 1), (x + 2 * y) % 3 - 1);
            }
        if (channels == 4) {
            sample(20, 10, 0) = std::byte{250};
            sample(20, 10, 3) = std::byte{0};
        }
        EXPECT_TRUE(colourless(std::as_const(rgb).view()));
        const Image out = enlarge_picture(engine, rgb.view(), {80, 60}, rgb.format());
        for (int y = 0; y < 60; ++y)
            for (int x = 0; x < 80; ++x) {
                const std::byte* pixel = out.view().row(0, y) + channels * x;
                ASSERT_TRUE(pixel[0] == pixel[1] && pixel[1] == pixel[2]) << x << ' ' << y;
            }
        if (channels == 4) sample(20, 10, 3) = std::byte{1};
        else sample(20, 10, 0) = moved(sample(20, 10, 1), sample(20, 10, 1) < std::byte{128} ? 2 : -2);
        EXPECT_FALSE(colourless(std::as_const(rgb).view()));
    }
}

TEST(enlarger, one_enlarger_takes_pictures_with_and_without_colour_in_turn) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 2, 2, 3}));
    const Image colour = make_picture({31, 25}, kRgb8);
    const Image grey = in_three_channels(make_picture({31, 25}, format_of(SampleType::u8, 1)).view());
    Enlarger enlarger(engine, {});
    for (const Image* picture : {&colour, &grey, &colour, &grey, &grey}) {
        Image out({62, 50}, kRgb8);
        must(enlarger.run(picture->view(), out.view(), {}));
        EXPECT_TRUE(same_bits(out.view(), enlarge_picture(engine, picture->view(), out.size(), kRgb8).view()));
        EXPECT_EQ(colourless(std::as_const(out).view()), picture == &grey);
    }
}

TEST(enlarger, a_grey_network_takes_colour_one_channel_at_a_time) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 1, 2, 1}));
    const Image rgb = make_picture({19, 14}, kRgb8);
    const Image out = enlarge_picture(engine, rgb.view(), {38, 28}, kRgb8);
    for (int c = 0; c < 3; ++c) {
        Image channel({19, 14}, format_of(SampleType::u8, 1));
        for (int y = 0; y < 14; ++y)
            for (int x = 0; x < 19; ++x) channel.view().row(0, y)[x] = rgb.view().row(0, y)[3 * x + c];
        const Image alone = enlarge_picture(engine, channel.view(), {38, 28}, channel.format());
        for (int y = 0; y < 28; ++y)
            for (int x = 0; x < 38; ++x) EXPECT_EQ(alone.view().row(0, y)[x], out.view().row(0, y)[3 * x + c]);
    }
}

TEST(enlarger, a_network_for_rgba_gets_four_channels_and_gives_four) {
    for (const Backend* backend : exact_backends()) {
        const auto engine = make_engine(*backend, compact_graph(1, {16, 1, 2, 4}));
        // What lies below transparent pixels goes in as it is, and alpha comes out as the network makes it.
        const Image rgba = make_picture({29, 22}, format_of(SampleType::u8, 4));
        Image planes({29, 22}, format_of(SampleType::f32, 4, true)), want({58, 44}, format_of(SampleType::f32, 4, true));
        std::vector<float> line(29);
        for (int c = 0; c < 4; ++c)
            for (int y = 0; y < 22; ++y) {
                load_row(rgba.view(), y, c, line.data());
                store_row(line.data(), planes.view(), y, c);
            }
        const auto session = must(engine->program().session());
        must(session->run({std::as_const(planes).view(), {0, 0, 29, 22}, want.view()}));
        const Image got = enlarge_picture(engine, rgba.view(), {58, 44}, format_of(SampleType::f32, 4, true));
        EXPECT_LE(largest_difference(want.view(), got.view()), 1e-6) << backend->name();
        EnlargerOptions tiles;
        tiles.tile = 8;
        EXPECT_TRUE(same_bits(got.view(), enlarge_picture(engine, rgba.view(), {58, 44}, got.format(), tiles).view()));

        // RGB is the same as opaque RGBA, without its alpha; grey is that of equal colours.
        const Image rgb = make_picture({29, 22}, kRgb8), grey = make_picture({29, 22}, format_of(SampleType::u8, 1));
        for (const Image* in : {&rgb, &grey}) {
            const int colours = in->format().channels;
            Image opaque({29, 22}, format_of(SampleType::u8, 4));
            for (int y = 0; y < 22; ++y)
                for (int x = 0; x < 29; ++x) {
                    for (int c = 0; c < 3; ++c)
                        opaque.view().row(0, y)[4 * x + c] = std::as_const(*in).view().row(0, y)[colours * x + (colours == 1 ? 0 : c)];
                    opaque.view().row(0, y)[4 * x + 3] = std::byte{255};
                }
            const Image four = enlarge_picture(engine, opaque.view(), {58, 44}, format_of(SampleType::f32, 4, true));
            const Image out = enlarge_picture(engine, in->view(), {58, 44}, format_of(SampleType::f32, colours, true));
            for (int y = 0; y < 44; ++y)
                for (int x = 0; x < 58; ++x) {
                    const auto at = [&](int c) { return reinterpret_cast<const float*>(four.view().row(c, y))[x]; };
                    for (int c = 0; c < colours; ++c)
                        ASSERT_NEAR(reinterpret_cast<const float*>(out.view().row(c, y))[x],
                                    colours == 3 ? at(c) : 0.299F * at(0) + 0.587F * at(1) + 0.114F * at(2), 1e-6);
                }
        }
    }
}

TEST(enlarger, automatic_precision_is_exact_where_a_picture_has_more_than_8_bits) {
    const Backend* cpu = exact_backends().front();
    ASSERT_EQ(cpu->name(), "cpu");
    ThreadPool pool(2);
    CompileOptions options;
    options.pool = &pool;
    auto graph = std::make_shared<const Graph>(compact_graph(47, {32, 3, 2, 3}));
    const std::shared_ptr<const Program> program = must(cpu->compile(*graph, options));
    const auto exact = make_engine(*cpu, compact_graph(47, {32, 3, 2, 3}), &pool);
    const auto automatic = std::make_shared<NetworkEngine>(graph, *cpu, options, program);
    const bool fast = automatic->info().precision != Precision::fp32;
    Image beyond = make_picture({40, 32}, kRgbF32Planar);  // floats far beyond 0..1
    for (int y = 0; y < 32; ++y)
        for (int x = 0; x < 40; ++x) reinterpret_cast<float*>(beyond.view().row(1, y))[x] *= 50.0F;
    const Image words = make_picture({40, 32}, format_of(SampleType::u16, 3, false, 16)), bytes = make_picture({40, 32}, kRgb8);
    for (const Image* in : {&std::as_const(beyond), &words, &bytes}) {
        const Image want = enlarge_picture(exact, in->view(), {80, 64}, in->format());
        const bool same = same_bits(want.view(), enlarge_picture(automatic, in->view(), {80, 64}, in->format()).view());
        EXPECT_TRUE(same || in == &bytes);
        // A frame of video stays in the precision that was measured, and so does one that was asked for by name.
        if (in != &bytes && fast) {
            Image frame({80, 64}, in->format());
            Enlarger enlarger(automatic, {});
            must(enlarger.run(in->view(), frame.view(), {}, InputKind::frame));
            EXPECT_FALSE(same_bits(want.view(), std::as_const(frame).view()));
            must(enlarger.run(in->view(), frame.view(), {}));
            EXPECT_TRUE(same_bits(want.view(), std::as_const(frame).view())) << "what was kept for frames is not used";
        }
    }
    EXPECT_TRUE(fast || !kernels(must(chosen_isa())).fast_i16) << "nothing was shown";
}

TEST(enlarger, stops_when_the_progress_says_so_and_ends_at_one) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1, {16, 1, 2, 3}));
    const Image picture = make_picture({64, 64}, kRgb8);
    Image out({128, 128}, kRgb8);
    Enlarger enlarger(engine, {0, 16, false, nullptr});
    int calls = 0;
    const auto stopped = enlarger.run(picture.view(), out.view(), [&](double) { return ++calls < 3; });
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, Errc::cancelled);
    EXPECT_EQ(calls, 3);
    double last = 0;
    must(enlarger.run(picture.view(), out.view(), [&](double done) {
        EXPECT_GE(done, last);
        last = done;
        return true;
    }));
    EXPECT_DOUBLE_EQ(last, 1.0);
}

TEST(enlarger, refuses_formats_that_do_not_fit_together) {
    const auto engine = make_engine(*exact_backends().front(), compact_graph(1));
    const Image picture = make_picture({8, 8}, kRgb8);
    Image grey({16, 16}, format_of(SampleType::u8, 1));
    Enlarger enlarger(engine, {});
    const auto channels = enlarger.run(picture.view(), grey.view(), {});
    ASSERT_FALSE(channels);
    EXPECT_EQ(channels.error().code, Errc::argument);
    ImageView empty = picture.view();
    empty.size = {0, 8};
    EXPECT_FALSE(enlarger.run(empty, grey.view(), {}));
}

}  // namespace
}  // namespace enlarge
