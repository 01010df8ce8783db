// SPDX-License-Identifier: Apache-2.0
#include "run/pipeline.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <algorithm>
#include <stdexcept>
#include <thread>
#include <vector>

namespace enlarge {
namespace {

std::vector<std::unique_ptr<int>> ints(int count) {
    std::vector<std::unique_ptr<int>> items;
    for (int i = 0; i < count; ++i) items.push_back(std::make_unique<int>(0));
    return items;
}

TEST(pipeline, keeps_the_order_through_three_stages) {
    Pipeline line;
    auto& first = line.queue<int>(2);
    auto& second = line.queue<int>(3);
    line.stage("count", [&](Stage&) -> Result<void> {
        for (int i = 0; i < 1000; ++i) first.push(i);
        first.close();
        return {};
    });
    line.stage("double", [&](Stage& stage) -> Result<void> {
        while (auto value = first.pop()) {
            const int doubled = stage.work([&] { return *value * 2; });
            second.push(doubled);
        }
        second.close();
        return {};
    });
    std::vector<int> seen;
    line.stage("collect", [&](Stage&) -> Result<void> {
        while (auto value = second.pop()) seen.push_back(*value);
        return {};
    });
    ASSERT_TRUE(line.run());
    ASSERT_EQ(seen.size(), 1000U);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], 2 * i);
    const auto times = line.times();
    ASSERT_EQ(times.size(), 3U);
    EXPECT_EQ(times[1].name, "double");
    EXPECT_EQ(times[1].items, 1000);
    EXPECT_GE(times[1].total_s, times[1].busy_s);
}

TEST(pipeline, never_holds_more_than_its_queues_have_room_for) {
    Pipeline line;
    auto& queue = line.queue<int>(3);
    std::atomic<int> made{0}, taken{0}, most{0};
    line.stage("make", [&](Stage&) -> Result<void> {
        for (int i = 0; i < 300; ++i) {
            queue.push(i);
            const int ahead = ++made - taken;
            int seen = most;
            while (ahead > seen && !most.compare_exchange_weak(seen, ahead)) {
            }
        }
        queue.close();
        return {};
    });
    line.stage("take", [&](Stage&) -> Result<void> {
        while (auto value = queue.pop()) ++taken;
        return {};
    });
    ASSERT_TRUE(line.run());
    EXPECT_EQ(taken, 300);
    EXPECT_LE(most, 3 + 1);  // one more may have been popped and not yet counted
}

TEST(pipeline, returns_the_first_error_and_stops_every_stage) {
    Pipeline line;
    auto& queue = line.queue<int>(1);
    auto& never = line.queue<int>(1);
    line.stage("endless", [&](Stage& stage) -> Result<void> {
        while (queue.push(1)) {
        }
        EXPECT_TRUE(stage.stopping());
        return {};
    });
    line.stage("fails", [&](Stage&) -> Result<void> {
        for (int i = 0; i < 5; ++i) queue.pop();
        return Error{Errc::io, "the disk is full"};
    });
    line.stage("waits", [&](Stage&) -> Result<void> {
        EXPECT_FALSE(never.pop().has_value());
        return Error{Errc::internal, "a consequence, not the cause"};
    });
    const auto result = line.run();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::io);
    EXPECT_EQ(result.error().message, "the disk is full");
}

TEST(pipeline, turns_exceptions_into_errors) {
    Pipeline out_of_memory;
    out_of_memory.stage("greedy", [](Stage&) -> Result<void> { throw std::bad_alloc(); });
    const auto memory = out_of_memory.run();
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, Errc::memory);

    Pipeline broken;
    broken.stage("broken", [](Stage&) -> Result<void> { throw std::runtime_error("surprise"); });
    const auto surprise = broken.run();
    ASSERT_FALSE(surprise);
    EXPECT_NE(surprise.error().message.find("surprise"), std::string::npos);
}

TEST(pipeline, stops_when_the_poll_says_so) {
    Pipeline line;
    auto& queue = line.queue<int>(1);
    line.stage("endless", [&](Stage&) -> Result<void> {
        while (queue.push(1)) {
        }
        return {};
    });
    line.stage("sleepy", [&](Stage&) -> Result<void> {
        while (queue.pop()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return {};
    });
    const auto result = line.run([] { return false; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::cancelled);
}

TEST(pipeline, drains_what_is_queued_when_the_producer_closes) {
    Queue<int> queue(4);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.push(i));
    queue.close();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(queue.pop(), i);
    EXPECT_FALSE(queue.pop().has_value());
}

TEST(pipeline, reuses_a_fixed_set_of_frames) {
    std::vector<int*> seen;
    Pipeline line;
    auto& frames = line.object_pool(ints(3));
    auto& queue = line.queue<ObjectPool<int>::Handle>(8);
    line.stage("fill", [&](Stage&) -> Result<void> {
        for (int i = 0; i < 50; ++i) {
            auto frame = frames.take();
            if (!frame) break;
            *frame = i;
            queue.push(std::move(frame));
        }
        queue.close();
        return {};
    });
    line.stage("use", [&](Stage&) -> Result<void> {
        for (int i = 0;; ++i) {
            auto frame = queue.pop();
            if (!frame) break;
            EXPECT_EQ(**frame, i);
            seen.push_back(frame->get());
        }
        return {};
    });
    ASSERT_TRUE(line.run());
    EXPECT_EQ(seen.size(), 50U);
    std::sort(seen.begin(), seen.end());
    EXPECT_LE(std::unique(seen.begin(), seen.end()) - seen.begin(), 3);
}

TEST(pipeline, gives_frames_back_that_a_stopped_line_still_holds) {
    auto line = std::make_unique<Pipeline>();
    auto& queue = line->queue<ObjectPool<int>::Handle>(8);  // made before the pool on purpose
    auto& frames = line->object_pool(ints(4));
    line->stage("fill", [&](Stage&) -> Result<void> {
        for (int i = 0; i < 3; ++i) queue.push(frames.take());
        return Error{Errc::io, "stop with frames in the queue"};
    });
    EXPECT_FALSE(line->run());
    line.reset();  // the address sanitizer watches
}

TEST(pipeline, an_unstarted_line_can_be_destroyed) {
    Pipeline line;
    line.queue<int>(1);
    line.stage("never", [](Stage&) -> Result<void> { return {}; });
}

}  // namespace
}  // namespace enlarge
