// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace enlarge {
namespace {

TEST(thread_pool, runs_every_member_once_and_at_the_same_time) {
    ThreadPool pool(4);
    EXPECT_EQ(pool.size(), 4);
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> here{0}, sum{0};
        pool.team([&](int index, int count) {
            ASSERT_EQ(count, 4);
            sum += 1 << index;
            ++here;
            while (here < count) std::this_thread::yield();  // ends only if all run at once
        });
        EXPECT_EQ(sum, 15);
    }
}

TEST(thread_pool, gives_as_many_as_are_wanted) {
    ThreadPool pool(4);
    for (int want = 1; want <= 6; ++want) {
        std::atomic<int> members{0};
        pool.team([&](int, int count) {
            EXPECT_EQ(count, std::min(want, 4));
            ++members;
        }, want);
        EXPECT_EQ(members, std::min(want, 4));
    }
}

TEST(thread_pool, keeps_a_team_together_with_a_barrier) {
    ThreadPool pool(3);
    std::vector<int> values(3);
    std::atomic<int> wrong{0};
    // The barrier is made for the count that the team gets, by its first member.
    std::unique_ptr<Barrier> barrier;
    std::atomic<bool> ready{false};
    pool.team([&](int index, int count) {
        if (index == 0) {
            barrier = std::make_unique<Barrier>(count);
            ready = true;
        }
        while (!ready) std::this_thread::yield();
        for (int round = 1; round <= 100; ++round) {
            values[static_cast<std::size_t>(index)] = round;
            barrier->wait();
            for (int other = 0; other < count; ++other)
                if (values[static_cast<std::size_t>(other)] != round) ++wrong;
            barrier->wait();
        }
    });
    EXPECT_EQ(wrong, 0);
}

TEST(thread_pool, serves_several_callers_side_by_side) {
    ThreadPool pool(3);
    std::atomic<std::int64_t> sum{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&] {
            for (int round = 0; round < 100; ++round) pool.for_each(50, 7, [&](std::int64_t i) { sum += i; });
        });
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(sum, 4 * 100 * 49 * 50 / 2);
}

TEST(thread_pool, runs_nested_teams_alone_instead_of_waiting_for_itself) {
    ThreadPool pool(3);
    std::atomic<int> inner{0};
    pool.team([&](int, int) {
        pool.team([&](int index, int count) {
            EXPECT_EQ(index, 0);
            EXPECT_EQ(count, 1);
            ++inner;
        });
    });
    EXPECT_EQ(inner, 3);
}

TEST(thread_pool, hands_exceptions_to_the_caller_and_goes_on) {
    ThreadPool pool(3);
    for (int thrower = 0; thrower < 3; ++thrower)
        EXPECT_THROW(pool.team([&](int index, int) {
            if (index == thrower) throw std::runtime_error("from a member");
        }), std::runtime_error);
    std::atomic<int> members{0};
    pool.team([&](int, int) { ++members; });
    EXPECT_EQ(members, 3);
}

TEST(thread_pool, for_each_covers_any_range_once) {
    ThreadPool pool(3);
    for (const std::int64_t n : {0, 1, 2, 7, 64, 1000})
        for (const std::int64_t grain : {0, 1, 3, 2000}) {
            std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
            pool.for_each(n, grain, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
            for (const auto& count : seen) EXPECT_EQ(count, 1);
        }
}

}  // namespace
}  // namespace enlarge
