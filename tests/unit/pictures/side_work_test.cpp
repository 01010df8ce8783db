// SPDX-License-Identifier: Apache-2.0
#include "pictures/side_work.hpp"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>

using namespace enlarge;
using pictures::SideWork;

namespace {

bool never() { return false; }

std::function<Result<void>()> until(std::promise<void>& end) {
    return [ended = end.get_future().share()]() -> Result<void> {
        ended.wait();
        return {};
    };
}

// Something that is told when it goes.
struct Used {
    explicit Used(std::promise<void>& told) : gone(told) {}
    ~Used() { gone.set_value(); }
    Used(const Used&) = delete;
    Used& operator=(const Used&) = delete;
    std::promise<void>& gone;
};
struct Owner {
    explicit Owner(std::promise<void>& told) : used(told) {}
    Used used;
    SideWork work;
};

}  // namespace

TEST(side_work, gives_what_the_work_gives) {
    SideWork work;
    EXPECT_FALSE(work.started());
    ASSERT_TRUE(work.start([]() -> Result<void> { return Error{Errc::io, "full"}; }));
    EXPECT_TRUE(work.started());
    const auto outcome = work.wait(never);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().message, "full");
    EXPECT_FALSE(work.started());
    ASSERT_TRUE(work.start([]() -> Result<void> { throw std::runtime_error("thrown"); }));
    EXPECT_THROW(static_cast<void>(work.wait(never)), std::runtime_error);
    ASSERT_TRUE(work.start([]() -> Result<void> { return {}; }));
    EXPECT_TRUE(work.wait(never).ok());
}

TEST(side_work, is_not_waited_for_once_it_is_to_stop) {
    SideWork work;
    std::promise<void> end;
    ASSERT_TRUE(work.start(until(end)));
    int asked = 0;
    const auto outcome = work.wait([&] { return ++asked == 2; });
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code, Errc::cancelled);
    EXPECT_TRUE(work.started());
    end.set_value();
}

TEST(side_work, keeps_what_it_uses_when_it_is_left) {
    std::promise<void> end, gone;
    auto owner = std::make_shared<Owner>(gone);
    ASSERT_TRUE(owner->work.start(until(end)));
    SideWork& work = owner->work;
    work.leave(std::move(owner));
    auto went = gone.get_future();
    EXPECT_EQ(went.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    end.set_value();
    went.wait();
}

TEST(side_work, that_has_ended_keeps_nothing_when_it_is_left) {
    std::promise<void> gone;
    auto used = std::make_shared<Used>(gone);
    SideWork work;
    ASSERT_TRUE(work.start([]() -> Result<void> { return {}; }));
    work.leave(std::move(used));
    EXPECT_FALSE(work.started());
    gone.get_future().wait();
}
