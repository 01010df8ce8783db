// SPDX-License-Identifier: Apache-2.0
#include "tile/tile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace enlarge {
namespace {

TEST(tile_grid, covers_every_pixel_once_in_raster_order) {
    for (int width = 1; width <= 23; ++width)
        for (int height = 1; height <= 17; ++height)
            for (int core_width = 1; core_width <= width + 2; ++core_width)
                for (const int core_height : {1, 2, 5, 17, 30}) {
                    const TileGrid grid({width, height}, {core_width, core_height});
                    std::vector<int> seen(static_cast<std::size_t>(width * height));
                    Rect last{-1, 0, 0, 0};
                    for (int row = 0; row < grid.rows(); ++row)
                        for (int column = 0; column < grid.columns(); ++column) {
                            const Rect core = grid.core(column, row);
                            ASSERT_TRUE(core.width > 0 && core.height > 0 && core.right() <= width && core.bottom() <= height);
                            ASSERT_TRUE(core.y > last.y || (core.y == last.y && core.x > last.x));
                            last = core;
                            for (int y = core.y; y < core.bottom(); ++y)
                                for (int x = core.x; x < core.right(); ++x) ++seen[static_cast<std::size_t>(y * width + x)];
                        }
                    ASSERT_TRUE(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
                }
}

// One axis is all there is to it; the other is the same code.
TEST(tile_input, holds_the_halo_of_every_grid_block_that_the_core_touches) {
    for (int length = 1; length <= 40; ++length)
        for (int halo = 0; halo <= 9; ++halo)
            for (int alignment = 1; alignment <= 6; ++alignment)
                for (int begin = 0; begin < length; ++begin)
                    for (int end = begin + 1; end <= length; ++end) {
                        const Rect in = tile_input({begin, 0, end - begin, 1}, {halo, alignment}, {length, 1});
                        ASSERT_GE(in.x, 0);
                        ASSERT_LE(in.right(), length);
                        ASSERT_LE(in.x, std::max(0, begin / alignment * alignment - halo));
                        ASSERT_GE(in.right(), std::min(length, (end + alignment - 1) / alignment * alignment + halo));
                        ASSERT_EQ(in.x % alignment, 0);
                        ASSERT_EQ((length - in.right()) % alignment, 0);  // a mirrored picture has its grid here
                        // Not more than it must be: the planner counts on this bound.
                        ASSERT_LE(in.width, (end - begin) + 2 * (halo + 2 * (alignment - 1)));
                    }
}

TEST(tile_input, does_not_depend_on_what_lies_on_the_other_axis) {
    const TileRules rules{5, 4};
    const Rect a = tile_input({8, 8, 4, 4}, rules, {40, 40}), b = tile_input({8, 20, 4, 9}, rules, {40, 80});
    EXPECT_EQ(a.x, b.x);
    EXPECT_EQ(a.width, b.width);
}

TEST(reflect, mirrors_without_repeating_the_edge) {
    EXPECT_EQ(reflect(-1, 5), 1);
    EXPECT_EQ(reflect(5, 5), 3);
    EXPECT_EQ(reflect(0, 5), 0);
    for (int n = 1; n <= 7; ++n)
        for (int i = -30; i <= 30; ++i) {
            int x = 0, step = 1;  // walk there, turning round at the ends
            for (int k = 0; k < std::abs(i); ++k) {
                if (n == 1) break;
                if (x + step < 0 || x + step >= n) step = -step;
                x += step;
            }
            EXPECT_EQ(reflect(std::abs(i), n), x) << i << " of " << n;
            EXPECT_EQ(reflect(-std::abs(i), n), x) << -i << " of " << n;
        }
}

TEST(round_up, reaches_the_next_multiple) {
    EXPECT_EQ(round_up(0, 4), 0);
    EXPECT_EQ(round_up(1, 4), 4);
    EXPECT_EQ(round_up(4, 4), 4);
    EXPECT_EQ(round_up(Size{5, 8}, 4), (Size{8, 8}));
}

}  // namespace
}  // namespace enlarge
