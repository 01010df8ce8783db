// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <thread>

#include "video/item.hpp"

namespace enlarge::video {
namespace {

Item item(int number) {
    Item made;
    made.number = number;
    return made;
}

TEST(window, each_frame_is_the_middle_of_one_with_all_neighbours_that_there_are) {
    for (const Reach reach : {Reach{0, 0}, Reach{1, 0}, Reach{0, 1}, Reach{1, 1}, Reach{2, 3}, Reach{9, 9}})
        for (const int frames : {0, 1, 2, 6}) {
            SCOPED_TRACE(std::to_string(reach.before) + " before, " + std::to_string(reach.after) + " after, of " +
                         std::to_string(frames));
            Queue<Item> queue(16);
            for (int i = 0; i < frames; ++i) ASSERT_TRUE(queue.push(item(i)));
            queue.close();
            WindowReader reader(queue, reach);
            for (int i = 0; i < frames; ++i) {
                const auto window = reader.next();
                ASSERT_TRUE(window);
                EXPECT_EQ(window->frame().number, i);
                for (int offset = -10; offset <= 10; ++offset) {
                    const bool reached = offset >= -reach.before && offset <= reach.after;
                    const bool there = reached && i + offset >= 0 && i + offset < frames;
                    const Item* const neighbour = window->at(offset);
                    ASSERT_EQ(neighbour != nullptr, there) << offset;
                    if (there) {
                        EXPECT_EQ(neighbour->number, i + offset);
                    }
                }
            }
            EXPECT_FALSE(reader.next());
            EXPECT_FALSE(reader.next());
        }
}

TEST(window, holds_no_more_than_its_reach) {
    Queue<Item> queue(16);
    std::vector<std::weak_ptr<Image>> pictures;
    for (int i = 0; i < 8; ++i) {
        Item made = item(i);
        made.picture = std::make_shared<Image>();
        pictures.emplace_back(made.picture);
        ASSERT_TRUE(queue.push(std::move(made)));
    }
    queue.close();
    WindowReader reader(queue, {1, 1});
    for (int i = 0; i < 4; ++i) (void)reader.next();
    // Frame 3 was the middle of the last one: frames before 2 are gone.
    for (int i = 0; i < 8; ++i) EXPECT_EQ(pictures[static_cast<std::size_t>(i)].expired(), i < 2) << i;
}

TEST(window, ends_when_the_line_is_stopped) {
    Queue<Item> queue(4);
    ASSERT_TRUE(queue.push(item(0)));
    std::thread stopper([&] { queue.stop(); });
    WindowReader reader(queue, {0, 2});
    (void)reader.next();
    EXPECT_FALSE(reader.next());
    stopper.join();
}

}  // namespace
}  // namespace enlarge::video
