// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"

namespace enlarge {
namespace {

// Runs a team whose first member waits until `helpers` others are there (two minutes at most, on a busy machine); how
// many there were.
int gather(ThreadPool& pool, int helpers, int want = 0) {
    std::atomic<int> here{0};
    std::atomic<bool> enough{false};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    pool.parallel(
        [&](int index, int) {
            if (++here > helpers) enough = true;
            while (index == 0 && !enough && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
        },
        want);
    return here;
}

TEST(thread_pool, gives_every_member_an_index_of_its_own) {
    ThreadPool pool(4);
    EXPECT_EQ(pool.size(), 4);
    for (int round = 0; round < 200; ++round) {
        std::array<std::atomic<int>, 4> seen{};
        pool.parallel([&](int index, int most) {
            ASSERT_EQ(most, 4);
            ASSERT_LT(index, most);
            ++seen[static_cast<std::size_t>(index)];
        });
        EXPECT_EQ(seen[0], 1);
        for (const auto& count : seen) EXPECT_LE(count, 1);
    }
}

TEST(thread_pool, brings_all_its_threads_together_while_the_first_member_works) {
    ThreadPool pool(4);
    for (int round = 0; round < 20; ++round) EXPECT_EQ(gather(pool, 3), 4);
}

TEST(thread_pool, gives_at_most_as_many_as_are_wanted) {
    ThreadPool pool(4);
    for (int want = 1; want <= 6; ++want) EXPECT_EQ(gather(pool, std::min(want, 4) - 1, want), std::min(want, 4));
}

TEST(thread_pool, does_not_wait_for_threads_that_come_late) {
    ThreadPool pool(2);
    std::atomic<bool> release{false}, held{false};
    // Another caller keeps the only helper until released.
    std::thread holder([&] {
        pool.parallel([&](int index, int) {
            if (index == 1) held = true;
            while (!release) std::this_thread::yield();
        });
    });
    while (!held) std::this_thread::yield();
    std::atomic<int> members{0};
    pool.parallel([&](int, int) { ++members; });
    EXPECT_EQ(members, 1);
    release = true;
    holder.join();
    EXPECT_EQ(gather(pool, 1), 2);  // and the helper is back
}

TEST(thread_pool, a_milestone_wakes_those_who_look_and_those_who_sleep) {
    EventCount events;
    std::atomic<int> seen{0};
    std::vector<std::thread> waiters;
    for (int i = 0; i < 3; ++i)
        waiters.emplace_back([&] {
            for (int value = 0; value < 200; ++value) events.wait_while(value);
            ++seen;
        });
    for (int value = 1; value <= 200; ++value) {
        if (value % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // until they sleep
        events.set(value);
        // A value is skipped only by those who are late; the last one ends all waits.
    }
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(seen, 3);
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
    std::atomic<int> inner{0}, outer{0};
    pool.parallel([&](int, int) {
        ++outer;
        pool.parallel([&](int index, int most) {
            EXPECT_EQ(index, 0);
            EXPECT_EQ(most, 1);
            ++inner;
        });
    });
    EXPECT_EQ(inner, outer);
}

TEST(thread_pool, hands_exceptions_to_the_caller_and_goes_on) {
    ThreadPool pool(3);
    for (int thrower = 0; thrower < 3; ++thrower) {
        std::atomic<bool> thrown{false};
        EXPECT_THROW(pool.parallel([&](int index, int) {
            while (index == 0 && thrower > 0 && !thrown) std::this_thread::yield();
            if (index != thrower) return;
            thrown = true;
            throw std::runtime_error("from a member");
        }), std::runtime_error);
    }
    EXPECT_EQ(gather(pool, 2), 3);
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

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need the address space that is taken away here
// Ends with 0 when a pool that cannot have its threads works with fewer.
[[noreturn]] void use_a_pool_without_room_for_threads() {
    // Each thread wants a stack of 8 MiB or so; there is room for very few.
    std::ifstream in("/proc/self/statm");
    rlim_t pages = 0;
    in >> pages;
    const rlim_t most = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{40} << 20);
    const rlimit limit{most, most};
    if (setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    std::atomic<int> sum{0};
    std::string said;
    set_log_sink([&](LogLevel, const Notice& notice) { said = notice.code; });
    int size = 0;
    {
        ThreadPool pool(64);
        size = pool.size();
        pool.for_each(1000, 1, [&](std::int64_t) { ++sum; });
    }
    set_log_sink({});
    if (sum != 1000) std::_Exit(3);
    if (size < 1 || size >= 64) std::_Exit(4);
    std::_Exit(said == "fewer-threads" ? 0 : 5);
}

TEST(thread_pool_death, goes_on_with_fewer_threads_where_the_system_gives_no_more) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(use_a_pool_without_room_for_threads(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace enlarge
