// SPDX-License-Identifier: Apache-2.0
#include "video/room.hpp"

#include <gtest/gtest.h>

namespace enlarge::video {
namespace {

RoomQuestion hour_of(const char* codec) {
    RoomQuestion q;
    q.codec = codec;
    q.pixels = 1920 * 1080;
    q.raw_bytes_per_frame = 1920 * 1080 * 1.5;
    q.frames = 90000;
    q.seconds = 3600;
    return q;
}

TEST(room, the_estimate_follows_frames_quality_and_bit_rate) {
    RoomQuestion q = hour_of("libx264");
    const double usual = estimate_output(q).bytes;
    EXPECT_GT(usual, 1e9);
    EXPECT_LT(usual, 10e9);
    EXPECT_FALSE(estimate_output(q).known);
    q.crf = 23;
    EXPECT_NEAR(estimate_output(q).bytes, usual / 2, 1);
    q.crf = -60;  // never more than without compression
    EXPECT_LE(estimate_output(q).bytes, q.raw_bytes_per_frame * 90000);
    q.bit_rate = 8e6;
    q.copied_bytes = 1000;
    EXPECT_NEAR(estimate_output(q).bytes, 3600e6 + 1000, 1);
    const RoomEstimate raw = estimate_output(hour_of("rawvideo"));
    EXPECT_TRUE(raw.known);
    EXPECT_NEAR(raw.bytes, 1920 * 1080 * 1.5 * 90000, 1);
    EXPECT_GT(estimate_output(hour_of("an encoder nobody knows")).bytes, 1e9);
}

TEST(room, a_guess_warns_and_only_what_is_known_not_to_fit_is_refused) {
    const auto enough = judge_room({1e9, false}, 0, 2e9);
    ASSERT_TRUE(enough);
    EXPECT_FALSE(is_scarce(*enough));
    EXPECT_EQ(enough->text, "the output will have about 1.0 GB; until it is whole about 2.0 GB are needed, and 2.0 GB are "
                            "free");
    const auto scarce = judge_room({1e9, false}, 0, 1.9e9);
    ASSERT_TRUE(scarce);
    EXPECT_TRUE(is_scarce(*scarce));
    EXPECT_EQ(scarce->text.rfind("warning: the output will have about 1.0 GB", 0), 0u) << scarce->text;
    ASSERT_TRUE(judge_room({1e9, false}, 0, 1));
    // Raw video: the segments fit, the file made of them may not; then not even the segments.
    const auto half = judge_room({1e9, true}, 0, 0.95e9);
    ASSERT_TRUE(half);
    EXPECT_TRUE(is_scarce(*half));
    const auto none = judge_room({1e9, true}, 0, 0.8e9);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Errc::io);
    // What is done already needs no room again.
    EXPECT_TRUE(judge_room({1e9, true}, 900'000'000, 0.2e9));
    EXPECT_FALSE(is_scarce(*judge_room({1e9, true}, 900'000'000, 1.2e9)));
}

}  // namespace
}  // namespace enlarge::video
