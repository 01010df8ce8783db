// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.hpp"

#include <gtest/gtest.h>

#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::CompactSpec;
using test::RrdbSpec;

Node make(Op op, std::vector<int> inputs) {
    Node node;
    node.op = op;
    node.inputs = std::move(inputs);
    return node;
}

Graph rgb() {
    Graph graph;
    test::must(graph.input(3));
    return graph;
}

TEST(graph, infers_channels_and_size_of_each_op) {
    Graph graph = rgb();
    const int conv = test::must(graph.conv2d(0, 8, 3, std::vector<float>(216), std::vector<float>(8)));
    Node shuffle = make(Op::pixel_shuffle, {conv});
    shuffle.factor = 2;
    const int big = test::must(graph.add(shuffle));
    EXPECT_EQ(graph.nodes()[2].channels, 2);
    EXPECT_EQ(graph.nodes()[2].num, 2);
    const int wide = test::must(graph.add(make(Op::concat, {big, big, big})));
    EXPECT_EQ(graph.nodes()[static_cast<std::size_t>(wide)].channels, 6);
    Node unshuffle = make(Op::pixel_unshuffle, {wide});
    unshuffle.factor = 4;
    test::must(graph.add(unshuffle));
    EXPECT_EQ(graph.output().channels, 96);
    EXPECT_EQ(graph.output().num, 1);
    EXPECT_EQ(graph.output().den, 2);
    EXPECT_EQ(graph.size_multiple(), 2);
}

TEST(graph, names_the_op_and_both_counts_when_weights_do_not_fit) {
    Graph graph = rgb();
    const auto result = graph.conv2d(0, 8, 3, std::vector<float>(215), std::vector<float>(8));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "node 1 (conv2d): 215 weights; expected 216");
    EXPECT_EQ(result.error().code, Errc::format);
    EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST(graph, refuses_what_does_not_fit_together) {
    Graph graph = rgb();
    const int conv = test::must(graph.conv2d(0, 5, 1, std::vector<float>(15), std::vector<float>(5)));
    EXPECT_FALSE(graph.add(make(Op::input, {})).ok());
    EXPECT_FALSE(graph.add(make(Op::add, {0, conv})).ok());
    EXPECT_FALSE(graph.add(make(Op::add, {0})).ok());
    EXPECT_FALSE(graph.add(make(Op::concat, {0})).ok());
    EXPECT_FALSE(graph.add(make(Op::silu, {2})).ok());
    EXPECT_FALSE(graph.add(make(Op::silu, {-1})).ok());
    EXPECT_FALSE(graph.add(make(Op::prelu, {conv})).ok());
    EXPECT_FALSE(graph.conv2d(conv, 1, 5, std::vector<float>(125), std::vector<float>(1)).ok());
    EXPECT_FALSE(graph.conv2d(conv, 0, 1, {}, {}).ok());
    EXPECT_FALSE(graph.conv2d(conv, 2, 1, std::vector<float>(5), std::vector<float>(1)).ok());
    Node shuffle = make(Op::pixel_shuffle, {conv});
    for (const int factor : {-1, 0, 1, 2, 1000}) {
        shuffle.factor = factor;
        EXPECT_FALSE(graph.add(shuffle).ok()) << factor;
    }
    Node up = make(Op::upsample_nearest, {conv});
    up.factor = 2;
    const int big = test::must(graph.add(up));
    EXPECT_FALSE(graph.add(make(Op::concat, {big, conv})).ok());
    EXPECT_FALSE(Graph().add(make(Op::silu, {0})).ok());
    EXPECT_FALSE(Graph().input(0).ok());
}

TEST(graph, refuses_a_network_with_an_unused_node_or_a_shrunk_output) {
    Graph graph = rgb();
    EXPECT_FALSE(graph.validate().ok());
    test::must(graph.conv2d(0, 3, 1, std::vector<float>(9), std::vector<float>(3)));
    EXPECT_TRUE(graph.validate().ok());
    Graph unused = graph;
    test::must(unused.conv2d(0, 3, 1, std::vector<float>(9), std::vector<float>(3)));
    const auto result = unused.validate();
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "node 1 (conv2d): its result is not used");
    Node unshuffle = make(Op::pixel_unshuffle, {1});
    unshuffle.factor = 2;
    test::must(graph.add(unshuffle));
    EXPECT_FALSE(graph.validate().ok());
}

TEST(graph, counts_parameters_and_multiplications_of_the_public_networks) {
    const Graph general = test::compact_graph(1, {.features = 64, .convs = 32, .scale = 4});
    EXPECT_EQ(general.parameters(), 1213296);
    EXPECT_EQ(general.macs_per_pixel(), 1209024);
    EXPECT_EQ(general.scale(), 4);
    const Graph x4plus = test::rrdb_graph(1, {.features = 64, .growth = 32, .blocks = 23});
    EXPECT_EQ(x4plus.parameters(), 16697987);
    EXPECT_EQ(x4plus.macs_per_pixel(), 17926848);
    const Graph x2plus = test::rrdb_graph(1, {.features = 64, .growth = 32, .blocks = 23, .unshuffle = 2});
    EXPECT_EQ(x2plus.parameters(), 16703171);
    EXPECT_EQ(x2plus.macs_per_pixel(), 4483008);
    EXPECT_EQ(x2plus.scale(), 2);
    EXPECT_EQ(x2plus.size_multiple(), 2);
    EXPECT_EQ(test::span_graph(1, {.features = 48, .scale = 4}).macs_per_pixel(), 425232);
}

TEST(graph, knows_the_receptive_radius) {
    EXPECT_EQ(test::compact_graph(1, {.features = 4, .convs = 32, .scale = 4}).receptive_radius(), 34);
    EXPECT_EQ(test::compact_graph(1, {.features = 4, .convs = 16, .scale = 1}).receptive_radius(), 18);
    EXPECT_EQ(test::span_graph(1, {.features = 4, .scale = 2}).receptive_radius(), 21);
    // 1 + 15 per block + 1 before the upsampling, then 3 pixels at x4 = 2 at x2, 1 more there = 2 at x1.
    EXPECT_EQ(test::rrdb_graph(1, {.features = 4, .growth = 2, .blocks = 6}).receptive_radius(), 94);
    EXPECT_EQ(test::rrdb_graph(1, {.features = 4, .growth = 2, .blocks = 1}).receptive_radius(), 19);
    // 17 at half size, where the upsampling needs 2 more on one side: 19 pairs.
    EXPECT_EQ(test::rrdb_graph(1, {.features = 4, .growth = 2, .blocks = 1, .unshuffle = 2}).receptive_radius(), 38);
}

}  // namespace
}  // namespace enlarge
