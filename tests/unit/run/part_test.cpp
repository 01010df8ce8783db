// SPDX-License-Identifier: Apache-2.0
// Upscaler::upscale_part: a part of a result without the rest.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "run/enlarger.hpp"
#include "support/images.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using namespace test;

std::shared_ptr<NetworkEngine> make_engine(Graph graph, const char* backend) {
    const Backend* chosen = must(choose_backend(backend));
    CompileOptions options;
    options.precision = Precision::fp32;
    auto shared = std::make_shared<const Graph>(std::move(graph));
    std::shared_ptr<const Program> program = must(chosen->compile(*shared, options));
    return std::make_shared<NetworkEngine>(shared, *chosen, options, program);
}

// Counts the rows that are read.
class CountedSource : public MemorySource {
public:
    using MemorySource::MemorySource;
    Result<void> read(const MutableImageView& rows) override {
        count += rows.size.height;
        return MemorySource::read(rows);
    }
    int count = 0;
};

void expect_parts(const std::shared_ptr<NetworkEngine>& engine, const Image& picture, Size out, double strength) {
    EnlargerOptions options;
    options.strength = strength;
    Enlarger enlarger(engine, options);
    Image whole(out, picture.format());
    must(enlarger.run(picture.view(), whole.view(), {}));
    for (const Rect& part : {Rect{0, 0, 20, 30}, Rect{out.width - 21, out.height - 9, 21, 9}, Rect{out.width * 3 / 7, out.height / 3, 13, 11},
                             Rect{0, 0, out.width, out.height}}) {
        MemorySource source(picture.view());
        MemorySink sink(part.size(), picture.format());
        must(enlarger.run_part(source, sink, out, picture.format(), part, {}));
        EXPECT_TRUE(same_bits(std::as_const(whole).view().part(part), std::as_const(sink.picture).view()))
            << out.width << ' ' << part.x << ' ' << int{picture.format().channels} << ' ' << strength;
    }
}

TEST(part, has_the_pixels_of_the_whole) {
    const auto engine = make_engine(compact_graph(1, {16, 3, 2, 3}), "cpu");
    const Image rgb = make_picture({300, 140}, kRgb8);
    // As the network gives it, resampled, smaller than the picture, stretched and twice through the network.
    for (const Size out : {Size{600, 280}, Size{450, 210}, Size{150, 70}, Size{601, 500}}) expect_parts(engine, rgb, out, 1);
    expect_parts(engine, rgb, {450, 210}, 0.5);
    for (const auto& format : {format_of(SampleType::u8, 4), format_of(SampleType::u16, 1)})
        expect_parts(engine, make_picture({140, 150}, format), {280, 300}, 1);
}

TEST(part, computes_little_more_than_itself_and_tells_how_far_it_is) {
    const auto engine = make_engine(compact_graph(1, {16, 3, 2, 3}), "cpu");
    const Image picture = make_picture({1400, 1300}, kRgb8);
    CountedSource source(picture.view());
    MemorySink sink({40, 40}, kRgb8);
    Enlarger enlarger(engine, {});
    double last = 0;
    const UpscaleReport report = must(enlarger.run_part(source, sink, {2800, 2600}, kRgb8, {1000, 300, 40, 40}, [&](double done) {
        EXPECT_GE(done, last);
        last = done;
        return true;
    }));
    EXPECT_LE(report.tiles, 4);
    EXPECT_EQ(last, 1);
    EXPECT_LT(source.count, 600);
}

TEST(part, outside_of_the_output_is_refused) {
    const auto engine = make_engine(compact_graph(1, {16, 1, 2, 3}), "reference");
    const Image picture = make_picture({20, 20}, kRgb8);
    Enlarger enlarger(engine, {});
    for (const Rect& part : {Rect{-1, 0, 5, 5}, Rect{0, 0, 0, 5}, Rect{36, 0, 5, 5}, Rect{0, 40, 1, 1}, Rect{2147483647, 0, 2147483647, 1}}) {
        MemorySource source(picture.view());
        MemorySink sink({5, 5}, kRgb8);
        const auto refused = enlarger.run_part(source, sink, {40, 40}, kRgb8, part, {});
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().code, Errc::argument);
        EXPECT_NE(refused.error().message.find("does not lie in the output of 40x40"), std::string::npos);
    }
}

}  // namespace
}  // namespace enlarge
