// SPDX-License-Identifier: Apache-2.0
// Networks for one size of picture: any picture, in tiles of that size.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "backend/own_size.hpp"
#include "run/enlarger.hpp"
#include "support/run_program.hpp"
#include "tile/tile.hpp"

namespace enlarge {
namespace {

using namespace test;

constexpr Size kOwn{24, 16};  // tiles overlap by 2 pixels on either side

// One convolution, which sees a pixel around each; as a network for any size, or for one.
Graph network(bool for_one_size) {
    Random random(4);
    Graph graph;
    must(graph.input(3));
    std::vector<float> weights(3 * 3 * 9), bias{0.1F, 0, -0.1F};
    for (float& weight : weights) weight = random.uniform(-0.3F, 0.3F);
    const int made = must(graph.conv2d(0, 3, 3, std::move(weights), std::move(bias)));
    if (!for_one_size) return graph;
    const int rows = must(graph.add({op::Reshape{{3, kOwn.height, kOwn.width}, kOwn.height, kOwn.width}, {made}}));
    must(graph.add(
        {op::Reshape{{3, Extent::rows(), Extent::columns()}, kOwn.height, kOwn.width}, {rows}}));
    return graph;
}

FloatPicture run(const char* backend, const Graph& graph, FloatPicture picture) {
    const Backend* chosen = must(choose_backend(backend));
    auto shared = std::make_shared<const Graph>(graph);
    std::shared_ptr<const Program> program = must(compile(*chosen, *shared, {}));
    Enlarger enlarger(std::make_shared<NetworkEngine>(shared, *chosen, CompileOptions{}, program), {});
    FloatPicture out(3, picture.size);
    must(enlarger.run(ImageView(picture.view()), out.view(), {}));
    return out;
}

TEST(own_size, tiles_give_each_pixel_once_and_from_their_middle) {
    for (const int own : {5, 16, 24, 64})
        for (int length = 1; length < 200; ++length) {
            const int overlap = own / 8;
            int next = 0;
            for (const OwnSizeTile& tile : own_size_tiles(length, own, overlap)) {
                EXPECT_EQ(tile.first, next);
                EXPECT_LT(tile.first, tile.end);
                next = tile.end;
                EXPECT_GE(tile.begin, 0);
                EXPECT_LE(tile.begin + own, std::max(length, own));
                EXPECT_GE(tile.first, tile.begin == 0 ? 0 : tile.begin + overlap);
                EXPECT_LE(tile.end, std::min(length, tile.begin + own >= length ? length : tile.begin + own - overlap));
            }
            EXPECT_EQ(next, length) << own;
        }
}

TEST(own_size, is_what_the_graph_is_for) {
    const Graph graph = network(true);
    EXPECT_EQ(graph.own_size(), kOwn);
    must(graph.validate());
    EXPECT_FALSE(graph.receptive_radius());
    EXPECT_FALSE(network(false).own_size());
    Graph other = network(true);
    EXPECT_FALSE(other.add({op::Reshape{{3, 10, 10}, 10, 10}, {3}}).ok()) << "for two sizes";
    EXPECT_FALSE(other.add({op::Reshape{{3, 16, 23}, kOwn.height, kOwn.width}, {3}}).ok()) << "other numbers";
}

// What a pixel sees is less than what tiles overlap by, so that nothing shows of them.
TEST(own_size, pictures_of_any_size_are_computed_in_tiles) {
    for (const char* backend : {"reference", "cpu"})
        for (const Size size : {kOwn, Size{25, 16}, Size{24, 61}, Size{100, 17}, Size{73, 59}}) {
            const FloatPicture picture = random_picture(3, 3, size);
            const FloatPicture whole = run(backend, network(false), picture),
                               tiled = run(backend, network(true), picture);
            EXPECT_LE(largest_difference(whole, tiled), 1e-6) << backend << " " << size.width << "x" << size.height;
        }
}

TEST(own_size, smaller_pictures_are_continued_by_reflection) {
    for (const Size size : {Size{10, 5}, Size{24, 3}, Size{1, 40}, Size{60, 9}}) {
        FloatPicture picture = random_picture(5, 3, size);
        const Size large{std::max(size.width, kOwn.width), std::max(size.height, kOwn.height)};
        FloatPicture continued(3, large);
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < large.height; ++y)
                for (int x = 0; x < large.width; ++x)
                    continued.at(c, x, y) = picture.at(c, reflect(x, size.width), reflect(y, size.height));
        const FloatPicture expected = run("reference", network(false), continued),
                           result = run("reference", network(true), picture);
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < size.height; ++y)
                for (int x = 0; x < size.width; ++x)
                    EXPECT_EQ(result.at(c, x, y), expected.at(c, x, y)) << size.width << " " << x << " " << y;
    }
}

}  // namespace
}  // namespace enlarge
