// SPDX-License-Identifier: Apache-2.0
#include "plan/arena.hpp"

#include <gtest/gtest.h>

#include "support/networks.hpp"

namespace enlarge {
namespace {

std::int64_t needed_at_once(const std::vector<Lifetime>& all, int steps) {
    std::int64_t most = 0;
    for (int step = 0; step < steps; ++step) {
        std::int64_t now = 0;
        for (const Lifetime& one : all)
            if (one.first <= step && step <= one.last) now += one.size;
        most = std::max(most, now);
    }
    return most;
}

TEST(arena, holds_what_is_needed_at_once_and_little_more) {
    test::Random random(5);
    for (int round = 0; round < 50; ++round) {
        std::vector<Lifetime> all;
        for (int i = 0; i < 40; ++i) {
            const int first = static_cast<int>(random.uniform(0, 38));
            all.push_back({static_cast<std::int64_t>(random.uniform(0, 100)) * 16, first, first + 1 + static_cast<int>(random.uniform(0, 6))});
        }
        const Arena arena = place_in_arena(all, 16);
        for (std::size_t a = 0; a < all.size(); ++a)
            for (std::size_t b = 0; b < a; ++b) {
                const bool together = all[a].first <= all[b].last && all[b].first <= all[a].last;
                const bool apart = arena.offset[a] + all[a].size <= arena.offset[b] || arena.offset[b] + all[b].size <= arena.offset[a];
                EXPECT_TRUE(!together || apart) << a << " and " << b;
            }
        EXPECT_LE(arena.size, needed_at_once(all, 50) * 3 / 2);
    }
}

TEST(arena, uses_again_what_is_free) {
    const Arena arena = place_in_arena({{10, 0, 1}, {10, 1, 2}, {10, 2, 3}, {7, 3, 4}}, 8);
    EXPECT_EQ(arena.size, 32);
    EXPECT_EQ(arena.offset[0], arena.offset[2]);
}

}  // namespace
}  // namespace enlarge
