// SPDX-License-Identifier: Apache-2.0
#include "plan/grids.hpp"

#include <gtest/gtest.h>

#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::NetworkBuilder;

struct Parts {
    int side = 2;
    std::vector<int> order = {0, 2, 1, 3, 4};
    int heads = 8;
    bool read_twice = false;  // what lies in between
};

Graph network(const Parts& parts, int& input, int& attention, int& last) {
    NetworkBuilder b(3, 3);
    const int places = parts.side * parts.side, all = 10 * places;
    const Extent rows = Extent::rows(1, parts.side), columns = Extent::columns(1, parts.side);
    input = b.conv(0, 30, 1);
    const int taken = b.append(op::PixelUnshuffle{parts.side}, {input});
    const int turned =
        b.append(op::Transpose{parts.order}, {b.append(op::Reshape{{3, 10, places, rows, columns}}, {taken})});
    const int joined = b.append(op::Reshape{{3 * all, rows, columns}}, {turned});
    attention =
        b.append(op::ChannelAttention{parts.heads, 0, 1e-12F,
                                      make_values(std::vector<float>(static_cast<std::size_t>(parts.heads), 1.0F))},
                 {joined});
    const int back =
        b.append(op::Transpose{{1, 0, 2, 3}}, {b.append(op::Reshape{{places, 10, rows, columns}}, {attention})});
    last = b.pixel_shuffle(b.append(op::Reshape{{all, rows, columns}}, {back}), parts.side);
    if (parts.read_twice) last = b.add(last, b.pixel_shuffle(b.conv(taken, all, 1), parts.side));
    b.conv(last, 3);
    return b.finish();
}

TEST(channel_grids, are_found_with_what_brings_pixels_together) {
    int input = 0, attention = 0, last = 0;
    const Graph graph = network({}, input, attention, last);
    const std::vector<ChannelGrid> grids = find_channel_grids(graph);
    ASSERT_EQ(grids.size(), 1U);
    EXPECT_EQ(grids[0].input, input);
    EXPECT_EQ(grids[0].attention, attention);
    EXPECT_EQ(grids[0].last, last);
    EXPECT_EQ(grids[0].side, 2);
    EXPECT_EQ(grids[0].nodes.size(), 9U);
}

TEST(channel_grids, are_not_what_only_looks_like_them) {
    int input = 0, attention = 0, last = 0;
    EXPECT_TRUE(find_channel_grids(network({.heads = 10}, input, attention, last)).empty())
        << "heads of several places";
    EXPECT_TRUE(find_channel_grids(network({.read_twice = true}, input, attention, last)).empty()) << "another reader";
    EXPECT_TRUE(find_channel_grids(network({.order = {0, 1, 2, 3, 4}}, input, attention, last)).empty())
        << "another order";
}

}  // namespace
}  // namespace enlarge
