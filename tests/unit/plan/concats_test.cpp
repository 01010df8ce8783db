// SPDX-License-Identifier: Apache-2.0
#include "plan/concats.hpp"

#include <gtest/gtest.h>

#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::NetworkBuilder;

std::pair<int, int> place(const ConcatPlaces& places, int node) {
    const ConcatPlaces::Place& found = places.of[static_cast<std::size_t>(node)];
    return {found.buffer, found.block};
}
constexpr std::pair<int, int> kNone{-1, 0};

TEST(concats, are_joined_with_those_that_they_join) {
    NetworkBuilder b(1, 3);
    const int a = b.conv(0, 4), c = b.conv(a, 4), inner = b.concat({a, c}), d = b.conv(inner, 4);
    const int outer = b.concat({inner, d, a});
    EXPECT_EQ(parts_of_concat(b.graph, outer), (std::vector{a, c, d, a}));
}

// As in a dense block: each concatenation is the beginning of the next.
TEST(concats, of_a_dense_block_share_one_buffer) {
    NetworkBuilder b(1, 3);
    const int a = b.conv(0, 16), c = b.conv(a, 8), one = b.concat({a, c}), d = b.conv(one, 8), two = b.concat({a, c, d});
    const ConcatPlaces places = place_concats(b.graph, {.block = 8});
    ASSERT_EQ(places.buffers.size(), 1U);
    EXPECT_EQ(places.buffers[0].concat, two);
    EXPECT_EQ(places.buffers[0].blocks, 4);
    for (const auto& [node, block] : {std::pair{a, 0}, {c, 2}, {one, 0}, {d, 3}, {two, 0}})
        EXPECT_EQ(place(places, node), (std::pair{0, block})) << node;
}

// A run of parts in the middle of a longer one is a view too.
TEST(concats, may_begin_within_a_longer_one) {
    NetworkBuilder b(1, 3);
    const int a = b.conv(0, 8), c = b.conv(a, 8), d = b.conv(c, 8);
    const int long_one = b.concat({a, c, d}), tail = b.concat({c, d}), turned = b.concat({d, c});
    const ConcatPlaces places = place_concats(b.graph, {.block = 8});
    EXPECT_EQ(place(places, long_one), std::pair(0, 0));
    EXPECT_EQ(place(places, tail), std::pair(0, 1));
    EXPECT_EQ(place(places, turned), kNone);
}

TEST(concats, of_narrow_parts_leave_gaps_or_are_copied) {
    NetworkBuilder b(1, 3);
    const int a = b.conv(0, 12), c = b.conv(a, 8), d = b.conv(c, 5), joined = b.concat({a, c, d});
    const ConcatPlaces gaps = place_concats(b.graph, {.block = 8, .gaps = true});
    ASSERT_EQ(gaps.buffers.size(), 1U);
    EXPECT_EQ(gaps.buffers[0].blocks, 4);
    for (const auto& [node, block] : {std::pair{a, 0}, {c, 2}, {d, 3}, {joined, 0}})
        EXPECT_EQ(place(gaps, node), (std::pair{0, block})) << node;

    EXPECT_TRUE(place_concats(b.graph, {.block = 8}).buffers.empty());

    // The first ends within a block, so that none after it begins with one.
    const ConcatPlaces some = place_concats(b.graph, {.block = 8, .some = true});
    ASSERT_EQ(some.buffers.size(), 1U);
    EXPECT_EQ(some.buffers[0].blocks, 4);  // of 25 channels
    EXPECT_EQ(place(some, joined), std::pair(0, 0));
    for (const int part : {a, c, d}) EXPECT_EQ(place(some, part), kNone) << part;
}

TEST(concats, end_with_what_does_not_fill_a_block) {
    NetworkBuilder b(1, 3);
    const int a = b.conv(0, 16), c = b.conv(a, 5), joined = b.concat({a, c});
    const ConcatPlaces places = place_concats(b.graph, {.block = 8});
    ASSERT_EQ(places.buffers.size(), 1U);
    EXPECT_EQ(places.buffers[0].blocks, 3);
    EXPECT_EQ(place(places, c), std::pair(0, 2));
    EXPECT_EQ(place(places, joined), std::pair(0, 0));
}

// A part is written once: what is joined twice, or in two orders, or may not be placed, is copied there or not at all.
TEST(concats, have_each_part_in_one_place) {
    NetworkBuilder b(1, 3);
    const int a = b.conv(0, 8), c = b.conv(a, 8), twice = b.concat({a, a, c}), turned = b.concat({c, a});
    EXPECT_EQ(place(place_concats(b.graph, {.block = 8}), twice), kNone);
    EXPECT_EQ(place(place_concats(b.graph, {.block = 8}), turned), std::pair(0, 0));

    const ConcatPlaces some = place_concats(b.graph, {.block = 8, .some = true});
    ASSERT_EQ(some.buffers.size(), 2U);
    EXPECT_EQ(place(some, a), std::pair(0, 0));
    EXPECT_EQ(place(some, c), std::pair(0, 2));
    EXPECT_EQ(place(some, turned), std::pair(1, 0));

    const auto not_c = [c](int part) { return part != c; };
    const auto only_turned = [turned](int concat) { return concat == turned; };
    const ConcatPlaces kept = place_concats(b.graph, {.block = 8, .some = true, .needed = only_turned, .placed = not_c});
    ASSERT_EQ(kept.buffers.size(), 1U);
    EXPECT_EQ(place(kept, twice), kNone);
    EXPECT_EQ(place(kept, c), kNone);
    EXPECT_EQ(place(kept, a), std::pair(0, 1));
}

}  // namespace
}  // namespace enlarge
