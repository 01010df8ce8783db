// SPDX-License-Identifier: Apache-2.0
#include "run/ordered_workers.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace enlarge {
namespace {

TEST(ordered_workers, gives_results_in_the_order_of_the_jobs_whoever_is_done_first) {
    OrderedWorkers workers(3);
    std::vector<int> done(12, -1), order;
    std::atomic<int> at_once{0}, most{0};
    int begun = 0;
    for (int next = 0; next < 12; ++next) {
        while (begun < 12 && workers.under_way() < workers.size()) {
            const int i = begun++;
            ASSERT_TRUE(workers.submit([&, i](int worker) -> Result<void> {
                const int now = ++at_once;
                for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(i % 3 == 0 ? 8 : 1));  // the oldest takes longest
                done[static_cast<std::size_t>(i)] = worker;
                --at_once;
                return i == 7 ? Result<void>(Error{Errc::device, "seven"}) : Result<void>();
            }).ok());
        }
        const Result<void> result = workers.next();
        EXPECT_EQ(result.ok(), next != 7);
        EXPECT_EQ(done[static_cast<std::size_t>(next)], next % 3);  // workers in turn, and this one is finished
    }
    EXPECT_GT(most.load(), 1);
    EXPECT_EQ(workers.under_way(), 0);
}

TEST(ordered_workers, turns_exceptions_into_errors_and_ends_with_jobs_under_way) {
    OrderedWorkers workers(2);
    ASSERT_TRUE(workers.submit([](int) -> Result<void> { throw std::bad_alloc(); }).ok());
    ASSERT_TRUE(workers.submit([](int) -> Result<void> { throw std::runtime_error("what"); }).ok());
    EXPECT_EQ(workers.next().error().code, Errc::memory);
    EXPECT_EQ(workers.next().error().message, "what");
    std::atomic<bool> ran{false};
    {
        OrderedWorkers other(1);
        ASSERT_TRUE(other.submit([&](int) -> Result<void> { ran = true; return {}; }).ok());
    }
    EXPECT_TRUE(ran);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need the address space that is taken away here
[[noreturn]] void use_workers_without_room_for_threads() {
    std::ifstream in("/proc/self/statm");
    rlim_t pages = 0;
    in >> pages;
    const rlim_t most = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{2} << 20);
    const rlimit limit{most, most};
    if (setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    int done = 0;
    {
        OrderedWorkers workers(3);
        for (int i = 0; i < 3; ++i)
            if (!workers.submit([&done, i](int worker) -> Result<void> {
                        if (worker != i) return Error{Errc::internal, "another worker"};
                        ++done;
                        return {};
                    }).ok())
                std::_Exit(3);
        for (int i = 0; i < 3; ++i)
            if (!workers.next().ok()) std::_Exit(4);
    }
    std::_Exit(done == 3 ? 0 : 5);
}

TEST(ordered_workers_death, does_the_work_itself_where_no_thread_can_be_started) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(use_workers_without_room_for_threads(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace enlarge
