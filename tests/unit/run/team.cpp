// SPDX-License-Identifier: Apache-2.0
#include "run/team.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace enlarge {
namespace {

TEST(team, gives_results_in_the_order_of_the_jobs_whoever_is_done_first) {
    Team team(3);
    std::vector<int> done(12, -1), order;
    std::atomic<int> at_once{0}, most{0};
    int begun = 0;
    for (int next = 0; next < 12; ++next) {
        while (begun < 12 && team.under_way() < team.size()) {
            const int i = begun++;
            ASSERT_TRUE(team.submit([&, i](int worker) -> Result<void> {
                const int now = ++at_once;
                for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(i % 3 == 0 ? 8 : 1));  // the oldest takes longest
                done[static_cast<std::size_t>(i)] = worker;
                --at_once;
                return i == 7 ? Result<void>(Error{Errc::device, "seven"}) : Result<void>();
            }).ok());
        }
        const Result<void> result = team.next();
        EXPECT_EQ(result.ok(), next != 7);
        EXPECT_EQ(done[static_cast<std::size_t>(next)], next % 3);  // workers in turn, and this one is finished
    }
    EXPECT_GT(most.load(), 1);
    EXPECT_EQ(team.under_way(), 0);
}

TEST(team, turns_exceptions_into_errors_and_ends_with_jobs_under_way) {
    Team team(2);
    ASSERT_TRUE(team.submit([](int) -> Result<void> { throw std::bad_alloc(); }).ok());
    ASSERT_TRUE(team.submit([](int) -> Result<void> { throw std::runtime_error("what"); }).ok());
    EXPECT_EQ(team.next().error().code, Errc::memory);
    EXPECT_EQ(team.next().error().message, "what");
    std::atomic<bool> ran{false};
    {
        Team other(1);
        ASSERT_TRUE(other.submit([&](int) -> Result<void> { ran = true; return {}; }).ok());
    }
    EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace enlarge
