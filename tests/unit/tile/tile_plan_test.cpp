// SPDX-License-Identifier: Apache-2.0
#include "tile/tile_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace enlarge {
namespace {

// 1000 bytes a pixel, as a network with many channels takes.
TileRequest request(Size picture, int halo, int alignment, std::int64_t memory) {
    TileRequest r;
    r.picture = picture;
    r.halo = halo;
    r.alignment = alignment;
    r.memory_bytes = memory;
    r.tile_bytes = [](Size tile) { return std::int64_t{1000} * tile.width * tile.height; };
    return r;
}

std::int64_t need(const TileRequest& r, Size core) {
    const int grow = 2 * (r.halo + 2 * (r.alignment - 1));
    const Size tile{std::min(r.picture.width, core.width + grow), std::min(r.picture.height, core.height + grow)};
    return r.tile_bytes(tile) + r.row_in_bytes * tile.height + r.row_out_bytes * core.height;
}

TEST(plan_tiles, takes_the_whole_picture_when_it_fits) {
    const auto plan = plan_tiles(request({640, 480}, 18, 4, std::int64_t{1} << 40));
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->core, (Size{640, 480}));
}

TEST(plan_tiles, stays_within_the_limit_on_the_grid_for_every_limit) {
    for (const Size picture : {Size{640, 480}, Size{4000, 30}, Size{30, 4000}, Size{1, 1}, Size{7, 5}})
        for (const int alignment : {1, 2, 4})
            for (std::int64_t memory = 100'000; memory < 1'000'000'000; memory = memory * 5 / 3) {
                TileRequest r = request(picture, 18, alignment, memory);
                r.row_in_bytes = std::int64_t{3} * picture.width;
                r.row_out_bytes = std::int64_t{48} * picture.width;
                const auto plan = plan_tiles(r);
                if (!plan) {
                    EXPECT_EQ(plan.error().code, Errc::memory);
                    const Size least{std::min(picture.width, alignment), std::min(picture.height, alignment)};
                    EXPECT_GT(need(r, least), memory);
                    continue;
                }
                EXPECT_LE(plan->bytes, memory);
                EXPECT_LE(need(r, plan->core), memory);
                EXPECT_TRUE(plan->core.width == picture.width || plan->core.width % alignment == 0);
                EXPECT_TRUE(plan->core.height == picture.height || plan->core.height % alignment == 0);
            }
}

TEST(plan_tiles, never_reads_more_when_it_has_more_memory) {
    std::int64_t last = -1;
    for (std::int64_t memory = 10'000'000; memory < 2'000'000'000; memory = memory * 3 / 2) {
        const auto plan = plan_tiles(request({1920, 1080}, 34, 4, memory));
        ASSERT_TRUE(plan);
        const std::int64_t columns = (1920 + plan->core.width - 1) / plan->core.width, rows = (1080 + plan->core.height - 1) / plan->core.height;
        const std::int64_t read = (1920 + (columns - 1) * 2 * 35) * (1080 + (rows - 1) * 2 * 35);
        if (last >= 0) {
            EXPECT_LE(read, last) << memory;
        }
        last = read;
    }
}

TEST(plan_tiles, cuts_across_when_rows_alone_do_not_help) {
    // 100000 pixels wide: one row of tiles of full width would need 100000 * 37 * 1000 bytes.
    const auto plan = plan_tiles(request({100'000, 2'000}, 18, 1, 500'000'000));
    ASSERT_TRUE(plan);
    EXPECT_LT(plan->core.width, 100'000);
    EXPECT_GT(plan->core.height, 100);
}

TEST(plan_tiles, obeys_the_largest_side) {
    TileRequest r = request({640, 480}, 18, 4, std::int64_t{1} << 40);
    for (const int side : {1, 3, 4, 100, 639, 5000}) {
        r.max_core = side;
        const auto plan = plan_tiles(r);
        ASSERT_TRUE(plan);
        EXPECT_LE(plan->core.width, std::max(side, 4));
        EXPECT_LE(plan->core.height, std::max(side, 4));
    }
}

TEST(plan_tiles, is_the_same_for_the_same_request) {
    const auto r = request({1234, 567}, 21, 2, 123'456'789);
    EXPECT_EQ(plan_tiles(r)->core, plan_tiles(r)->core);
}

TEST(plan_tiles, says_how_much_is_needed) {
    const auto plan = plan_tiles(request({640, 480}, 18, 1, 1000));
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, Errc::memory);
    EXPECT_NE(plan.error().message.find("at least 2 MiB"), std::string::npos) << plan.error().message;
}

}  // namespace
}  // namespace enlarge
