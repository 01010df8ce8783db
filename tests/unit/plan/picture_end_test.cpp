// SPDX-License-Identifier: Apache-2.0
#include "plan/picture_end.hpp"

#include <gtest/gtest.h>

#include "plan/chains.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::NetworkBuilder;

PictureEnd end_of(const NetworkBuilder& b) { return find_end(b.graph, users_of(b.graph)); }

TEST(picture_end, is_a_shuffle_with_the_repeated_input) {
    NetworkBuilder b(1, 3);
    const int conv = b.conv(b.conv(0, 8), 12), shuffle = b.pixel_shuffle(conv, 2), base = b.upsample_nearest(0, 2);
    const int sum = b.add(base, shuffle);
    const PictureEnd end = end_of(b);
    EXPECT_EQ(end.source, conv);
    EXPECT_EQ(end.shuffle, 2);
    EXPECT_TRUE(end.adds_input);
    EXPECT_EQ(end.repeated, base);
    EXPECT_EQ(end.nodes, (std::vector{sum, shuffle}));
}

TEST(picture_end, is_a_shuffle_alone_or_the_input_alone_or_nothing) {
    NetworkBuilder shuffled(1, 3), added(2, 3), plain(3, 3);
    const int conv = shuffled.conv(0, 12);
    const int shuffle = shuffled.pixel_shuffle(conv, 2);
    EXPECT_EQ(end_of(shuffled).source, conv);
    EXPECT_EQ(end_of(shuffled).nodes, std::vector{shuffle});
    EXPECT_FALSE(end_of(shuffled).adds_input);
    const int same = added.conv(0, 3);
    const int sum = added.add(same, 0);
    EXPECT_EQ(end_of(added).source, same);
    EXPECT_EQ(end_of(added).shuffle, 1);
    EXPECT_TRUE(end_of(added).adds_input);
    EXPECT_EQ(end_of(added).nodes, std::vector{sum});
    EXPECT_EQ(end_of(added).repeated, -1);
    const int last = plain.conv(0, 3);
    EXPECT_EQ(end_of(plain).source, last);
    EXPECT_TRUE(end_of(plain).nodes.empty());
}

// A sum in other shares, of another factor, or of a shuffle that is read elsewhere, is an ordinary sum.
TEST(picture_end, is_nothing_else) {
    NetworkBuilder shares(1, 3), factor(2, 3), read(3, 3);
    int sum = shares.add(shares.pixel_shuffle(shares.conv(0, 12), 2), shares.upsample_nearest(0, 2), 1.0F, 0.5F);
    EXPECT_EQ(end_of(shares).source, sum);
    const int features = factor.conv(0, 12);
    sum = factor.add(factor.upsample_nearest(factor.conv(features, 3), 2), factor.pixel_shuffle(features, 2));
    EXPECT_EQ(end_of(factor).source, sum);
    const int shuffle = read.pixel_shuffle(read.conv(0, 12), 2);
    read.conv(shuffle, 3);
    sum = read.add(shuffle, read.upsample_nearest(0, 2));
    EXPECT_EQ(end_of(read).source, sum);
}

}  // namespace
}  // namespace enlarge
