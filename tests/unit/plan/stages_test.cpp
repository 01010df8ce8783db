// SPDX-License-Identifier: Apache-2.0
#include "plan/stages.hpp"

#include <gtest/gtest.h>

#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::NetworkBuilder;

// One step for each node.
std::vector<WorkStep> steps_of(const Graph& graph) {
    std::vector<WorkStep> steps;
    for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
        const Node& node = graph.nodes()[static_cast<std::size_t>(i)];
        WorkStep step{i, node.inputs, {}, node.is<op::GlobalMean>(), node.is<op::Conv2d>() ? 1.0 : 0.0};
        for (std::size_t k = 0; k < node.inputs.size(); ++k) step.reads.push_back(traits(node.op).reads(node.op, k));
        steps.push_back(std::move(step));
    }
    return steps;
}

std::vector<bool> none(const Graph& graph) { return std::vector<bool>(graph.nodes().size(), false); }

TEST(stages, of_a_local_network_are_one_that_reads_what_its_pixels_see) {
    for (const Graph& graph : {test::compact_graph(1), test::rrdb_graph(2, {.blocks = 2, .unshuffle = 2})}) {
        const Stages stages(graph, steps_of(graph), graph.size_multiple());
        const std::vector<Stage> found = stages.find(none(graph));
        ASSERT_EQ(found.size(), 2U);
        EXPECT_TRUE(found[0].steps.empty());
        EXPECT_EQ(found[1].steps.size(), graph.nodes().size() - 1);
        EXPECT_EQ(found[1].halo, *graph.receptive_radius());
        EXPECT_TRUE(found[1].keeps.empty() && found[1].sums.empty() && found[1].whole.empty());
        EXPECT_EQ(stages.macs(found), stages.macs());
    }
}

struct WithMean {
    NetworkBuilder b{3, 3};
    int first, second, mean, numbers, scaled, aside, sharp, last;
    WithMean() {
        first = b.conv(0, 8);
        second = b.conv(first, 8, 5);
        mean = b.append(op::GlobalMean{}, {second});
        numbers = b.conv(mean, 8, 1);
        scaled = b.append(op::Multiply{}, {second, numbers});
        aside = b.conv(first, 3, 1);
        sharp = b.conv(scaled, 3);
        last = b.add(sharp, aside);
    }
};

TEST(stages, end_where_something_reads_the_whole_picture) {
    const WithMean net;
    const Stages stages(net.b.graph, steps_of(net.b.graph), 1);
    const std::vector<Stage> found = stages.find(none(net.b.graph));
    ASSERT_EQ(found.size(), 3U);
    // The convolution of `first` that only the end reads can run in the first stage too.
    EXPECT_EQ(found[1].steps, (std::vector{net.first, net.second, net.aside}));
    EXPECT_EQ(found[1].keeps, (std::vector{net.second, net.aside}));
    EXPECT_EQ(found[1].sums, std::vector{net.mean});
    EXPECT_EQ(found[1].whole, std::vector{net.numbers});
    EXPECT_EQ(found[1].halo, 3);
    EXPECT_EQ(found[2].steps, (std::vector{net.scaled, net.sharp, net.last}));
    EXPECT_EQ(found[2].halo, 1);
}

TEST(stages, compute_again_what_is_dropped) {
    const WithMean net;
    const Stages stages(net.b.graph, steps_of(net.b.graph), 1);
    EXPECT_EQ(stages.may_be_dropped(), (std::vector{net.second, net.aside}));
    std::vector<bool> dropped = none(net.b.graph);
    dropped[static_cast<std::size_t>(net.second)] = true;
    std::vector<Stage> found = stages.find(dropped);
    EXPECT_EQ(found[1].keeps, std::vector{net.aside});
    EXPECT_EQ(found[2].steps, (std::vector{net.first, net.second, net.scaled, net.sharp, net.last}));
    EXPECT_EQ(found[2].halo, 4);
    EXPECT_EQ(stages.macs(found), stages.macs() + 2);
    dropped[static_cast<std::size_t>(net.aside)] = true;
    found = stages.find(dropped);
    EXPECT_TRUE(found[1].keeps.empty());
    EXPECT_EQ(found[1].steps, (std::vector{net.first, net.second}));
}

// What a norm reads has to be there as a whole.
TEST(stages, keep_what_is_read_whole) {
    NetworkBuilder b(3, 3);
    const int x = b.conv(0, 8);
    op::GroupNorm norm{2, 1e-5F, make_values(std::vector<float>(8, 1.0F)), make_values(std::vector<float>(8, 0.0F))};
    const int normed = b.append(norm, {x});
    b.conv(b.add(normed, x), 3);
    const Stages stages(b.graph, steps_of(b.graph), 1);
    EXPECT_TRUE(stages.may_be_dropped().empty());
    const std::vector<Stage> found = stages.find(none(b.graph));
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[1].keeps, std::vector{x});
    EXPECT_EQ(found[1].whole, std::vector{normed});
}

// Tiles begin at whole windows, whose pixels read each other.
TEST(stages, read_whole_windows) {
    NetworkBuilder b(3, 3);
    op::WindowAttention attention;
    attention.heads = 2;
    attention.window_h = attention.window_w = 8;
    attention.shift_h = attention.shift_w = 4;
    attention.scale = 1;
    const int x = b.append(attention, {b.conv(0, 24, 1)});
    b.conv(x, 3);
    const Stages stages(b.graph, steps_of(b.graph), 8);
    // One pixel of the last convolution, then to the beginning of a window that is moved by half of one.
    EXPECT_EQ(stages.find(none(b.graph))[1].halo, 4);
}

}  // namespace
}  // namespace enlarge
