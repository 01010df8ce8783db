// SPDX-License-Identifier: Apache-2.0
// EngineOptions::strength: the network's picture mixed with the plain enlargement.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "color/resample.hpp"
#include "image/samples.hpp"
#include "run/enlarger.hpp"
#include "support/images.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using namespace test;

std::shared_ptr<NetworkEngine> make_engine(Graph graph) {
    const Backend* reference = must(choose_backend("reference"));
    CompileOptions options;
    options.precision = Precision::fp32;
    auto shared = std::make_shared<const Graph>(std::move(graph));
    std::shared_ptr<const Program> program = must(reference->compile(*shared, options));
    return std::make_shared<NetworkEngine>(shared, *reference, options, program);
}

EnlargerOptions with_strength(double strength, int tile = 0) {
    EnlargerOptions options;
    options.strength = strength;
    options.tile = tile;
    return options;
}

Image enlarge_picture(const std::shared_ptr<NetworkEngine>& engine, const ImageView& in, Size out, PixelFormat format,
                      const EnlargerOptions& options) {
    Enlarger enlarger(engine, options);
    Image result(out, format);
    must(enlarger.run(in, result.view(), {}));
    return result;
}

// The whole picture as planar floats, resampled at once.
Image plain(const ImageView& in, Size out) {
    Image floats(in.size, format_of(SampleType::f32, in.format.channels, true));
    for (int c = 0; c < in.format.channels; ++c)
        for (int y = 0; y < in.size.height; ++y) load_row(in, y, c, reinterpret_cast<float*>(floats.view().row(c, y)));
    Image result(out, floats.format());
    Resampler(in.size, out).run(std::as_const(floats).view(), 0, 0, result.view());
    return result;
}

float sample(const Image& image, int c, int x, int y) { return reinterpret_cast<const float*>(image.view().row(c, y))[x]; }

TEST(strength, of_0_is_the_plain_enlargement_bit_for_bit) {
    const auto engine = make_engine(compact_graph(1, {16, 1, 2, 3}));
    const Image picture = make_picture({37, 70}, kRgb8);
    for (const Size out : {Size{74, 140}, Size{50, 99}, Size{300, 560}}) {
        const Image expected = plain(picture.view(), out);
        const Image got = enlarge_picture(engine, picture.view(), out, kRgbF32Planar, with_strength(0));
        EXPECT_TRUE(same_bits(expected.view(), got.view())) << out.width;
    }
}

TEST(strength, between_mixes_before_rounding) {
    const auto engine = make_engine(compact_graph(2, {16, 1, 2, 3}));
    const Image picture = make_picture({37, 70}, kRgb8);
    for (const Size out : {Size{74, 140}, Size{60, 111}}) {
        const Image network = enlarge_picture(engine, picture.view(), out, kRgbF32Planar, with_strength(1));
        const Image lanczos = plain(picture.view(), out);
        const Image mixed = enlarge_picture(engine, picture.view(), out, kRgbF32Planar, with_strength(0.25));
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < out.height; y += 7)
                for (int x = 0; x < out.width; x += 3) {
                    const float l = sample(lanczos, c, x, y);
                    ASSERT_EQ(sample(mixed, c, x, y), l + 0.25F * (sample(network, c, x, y) - l)) << c << ' ' << x << ' ' << y;
                }
    }
}

TEST(strength, gives_the_same_bits_streamed_tiled_and_again) {
    const auto engine = make_engine(compact_graph(3, {16, 1, 2, 3}));
    for (const auto& format : {kRgb8, format_of(SampleType::u8, 1), format_of(SampleType::u8, 4), format_of(SampleType::u16, 2)}) {
        const Image picture = make_picture({25, 150}, format);
        for (const Size out : {Size{50, 300}, Size{31, 222}, Size{200, 1200}})
            for (const double strength : {0.0, 0.6}) {
                const Image whole = enlarge_picture(engine, picture.view(), out, format, with_strength(strength));
                Enlarger enlarger(engine, with_strength(strength, 16));
                MemorySource source(picture.view());
                MemorySink sink(out, format);
                must(enlarger.run(source, sink, out, format, {}));
                EXPECT_TRUE(same_bits(whole.view(), std::as_const(sink.picture).view())) << format.channels << " channels, " << out.width << ", " << strength;
                Image again(out, format);
                must(enlarger.run(picture.view(), again.view(), {}));
                must(enlarger.run(picture.view(), again.view(), {}));
                EXPECT_TRUE(same_bits(whole.view(), std::as_const(again).view()));
            }
    }
}

TEST(strength, opaque_pictures_stay_opaque) {
    const auto engine = make_engine(compact_graph(4, {16, 1, 2, 3}));
    Image picture = make_picture({24, 24}, format_of(SampleType::u8, 4));
    for (int y = 0; y < 24; ++y)
        for (int x = 0; x < 24; ++x) picture.view().row(0, y)[4 * x + 3] = std::byte{255};
    for (const double strength : {0.0, 0.5}) {
        const Image out = enlarge_picture(engine, picture.view(), {48, 48}, picture.format(), with_strength(strength));
        for (int y = 0; y < 48; ++y)
            for (int x = 0; x < 48; ++x) ASSERT_EQ(out.view().row(0, y)[4 * x + 3], std::byte{255});
    }
}

}  // namespace
}  // namespace enlarge
