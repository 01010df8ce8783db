// SPDX-License-Identifier: Apache-2.0
// Clocks that break, stamps that mislead, and containers that only count frames.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"

namespace enlarge::test {
namespace {

// A second of MPEG-TS that begins at `start_s`.
std::string broadcast(const Scratch& scratch, double start_s) {
    ClipSpec spec;
    spec.frames = 25;
    spec.start = std::llround(start_s * spec.time_base_den);
    spec.codec_options = {{"preset", "veryfast"}, {"crf", "20"}, {"g", "10"}, {"bf", "2"}};
    make_clip(scratch / "part.ts", spec);
    return contents(scratch / "part.ts");
}

void expect_steady(const SeenClip& seen, std::size_t frames) {
    ASSERT_EQ(seen.times.size(), frames);
    for (std::size_t i = 1; i < frames; ++i)
        EXPECT_NEAR(seen.times[i] - seen.times[i - 1], 0.04, 0.0011) << "frame " << i;
}

// The sound goes on with the picture: no packet far from its neighbours, none far from its place.
void expect_sound(const SeenClip& seen, std::int64_t packets) {
    ASSERT_EQ(static_cast<std::int64_t>(seen.sound_times.size()), packets);
    for (std::size_t i = 1; i < seen.sound_times.size(); ++i) {
        EXPECT_GE(seen.sound_times[i], seen.sound_times[i - 1]) << "packet " << i;
        EXPECT_LT(seen.sound_times[i] - seen.sound_times[i - 1], 0.15) << "packet " << i;
    }
    EXPECT_NEAR(seen.sound_times.back() - seen.times.back(), 0, 0.15);
}

TEST(times, a_clock_that_is_set_back_or_leaps_or_wraps_runs_on) {
    const Scratch scratch;
    constexpr double kWrap = 8589934592.0 / 90000;
    const std::string one = broadcast(scratch, 0);
    for (const auto& [what, second, frames] : {std::tuple{"again", one, 50u},
                                               {"leap", broadcast(scratch, 500), 50u},
                                               {"back", one + broadcast(scratch, 7000) + one, 100u}}) {
        SCOPED_TRACE(what);
        write_file(scratch / "in.ts", one + second);
        const Enlarged done = enlarged(scratch / "in.ts", scratch / "out.mkv");
        ASSERT_TRUE(done.report) << done.report.error().message;
        const SeenClip in = look_at(scratch / "in.ts"), out = look_at(scratch / "out.mkv");
        expect_steady(out, frames);
        expect_sound(out, in.streams.at(1).packets);
        // The same through a pipe, where sound is not read a second time.
        const Ran ran = run(scratch, words("-", scratch / "pipe.mkv", {"--container", "mkv"}), scratch / "in.ts");
        ASSERT_EQ(ran.code, 0) << ran.errors;
        const SeenClip piped = look_at(scratch / "pipe.mkv");
        expect_steady(piped, frames);
        expect_sound(piped, in.streams.at(1).packets);
        EXPECT_EQ(piped.times, out.times);
        EXPECT_EQ(piped.sound_times, out.sound_times);
        fs::remove(scratch / "out.mkv");
        fs::remove(scratch / "pipe.mkv");
    }
    write_file(scratch / "in.ts", broadcast(scratch, kWrap - 0.5));
    const Enlarged done = enlarged(scratch / "in.ts", scratch / "out.mkv");
    ASSERT_TRUE(done.report) << done.report.error().message;
    expect_steady(look_at(scratch / "out.mkv"), 25);
}

TEST(times, what_comes_before_an_early_wrap_is_shown_in_every_container) {
    const Scratch scratch;
    constexpr double kWrap = 8589934592.0 / 90000;
    write_file(scratch / "in.ts", broadcast(scratch, kWrap - 1) + broadcast(scratch, 20));
    for (const char* name : {"out.mp4", "out.mov", "out.mkv"}) {
        SCOPED_TRACE(name);
        const Enlarged done = enlarged(scratch / "in.ts", scratch / name);
        ASSERT_TRUE(done.report) << done.report.error().message;
        const SeenClip seen = look_at(scratch / name);
        expect_steady(seen, 50);
        EXPECT_GE(seen.times.front(), 0);
    }
}

TEST(times, a_gap_of_a_few_seconds_in_a_broadcast_stays_a_gap) {
    const Scratch scratch;
    write_file(scratch / "in.ts", broadcast(scratch, 0) + broadcast(scratch, 5));
    const Enlarged done = enlarged(scratch / "in.ts", scratch / "out.mkv");
    ASSERT_TRUE(done.report) << done.report.error().message;
    const SeenClip seen = look_at(scratch / "out.mkv");
    ASSERT_EQ(seen.times.size(), 50u);
    EXPECT_NEAR(seen.times[25] - seen.times[0], 5, 0.1);
}

TEST(times, stamps_in_decoding_order_are_seen_through) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 60;
    spec.sound = false;
    spec.codec_options = {{"preset", "veryfast"}, {"bf", "3"}, {"x264-params", "b-adapt=0:scenecut=0"}};
    make_clip(scratch / "right.mp4", spec);
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "right.mp4") + " -c copy -bsf:v setts=pts=DTS " + (scratch / "in.mp4")));
    const Enlarged done = enlarged(scratch / "in.mp4", scratch / "out.mkv");
    ASSERT_TRUE(done.report) << done.report.error().message;
    const SeenClip seen = look_at(scratch / "out.mkv");
    ASSERT_EQ(seen.times.size(), look_at(scratch / "in.mp4").times.size());
    ASSERT_GT(seen.times.size(), 50u);
    for (std::size_t i = 10; i < seen.times.size(); ++i)
        EXPECT_NEAR(seen.times[i] - seen.times[i - 1], 0.04, 0.0011) << "frame " << i;
}

TEST(times, y4m_repeats_frames_that_stay_longer) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 24;
    spec.variable_rate = true;  // steps of 20, 40, 60, 80 ms
    spec.sound = false;
    spec.codec_options = {{"preset", "ultrafast"}, {"qp", "0"}};
    make_clip(scratch / "in.mp4", spec);
    const SeenClip in = look_at(scratch / "in.mp4");
    const Enlarged done = enlarged(scratch / "in.mp4", scratch / "out.y4m");
    ASSERT_TRUE(done.report) << done.report.error().message;
    EXPECT_NE(done.said.find("repeats, because y4m"), std::string::npos) << done.said;
    const SeenClip out = look_at(scratch / "out.y4m");
    ASSERT_GT(out.times.size(), in.times.size());
    const double step = out.times.at(1) - out.times.at(0);
    EXPECT_NEAR(out.times.back() + step, in.times.back() + step, 0.09);
    // At each moment the picture that is to be seen then.
    for (std::size_t i = 0; i < out.times.size(); ++i) {
        const double time = out.times[i] + in.times.front() + step / 2;
        const auto after = std::upper_bound(in.times.begin(), in.times.end(), time);
        const auto shown = static_cast<std::size_t>(std::max<std::ptrdiff_t>(1, after - in.times.begin())) - 1;
        SeenClip a, b;
        a.pixels = {out.pixels[i]};
        b.pixels = {in.pixels[shown]};
        EXPECT_LT(mean_difference(a, b), 0.5) << "frame " << i;
    }
}

TEST(times, variable_rates_stay_true_in_other_containers_and_pictures_say_what_they_lose) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 24;
    spec.variable_rate = true;
    spec.sound = false;
    make_clip(scratch / "in.mp4", spec);
    const SeenClip in = look_at(scratch / "in.mp4");
    for (const char* name : {"out.mpg", "out.avi"}) {
        SCOPED_TRACE(name);
        const Enlarged done = enlarged(scratch / "in.mp4", scratch / name);
        ASSERT_TRUE(done.report) << done.report.error().message;
        const SeenClip out = look_at(scratch / name);
        std::size_t last = out.times.size() - 1;
        while (last > 0 && out.times[last] < -1e6) --last;  // FFmpeg's reader gives the last frame of an MPEG program no time
        ASSERT_GE(last + 2, out.times.size());
        const double end = out.times.size() == in.times.size() ? in.times[last] : in.times.back();
        EXPECT_NEAR(out.times[last] - out.times.front(), end - in.times.front(), 0.05);
    }
    const Enlarged pictures = enlarged(scratch / "in.mp4", scratch / "f_%03d.png");
    ASSERT_TRUE(pictures.report) << pictures.report.error().message;
    EXPECT_NE(pictures.said.find("not equally far apart"), std::string::npos) << pictures.said;
    EXPECT_TRUE(fs::exists(scratch / "f_024.png"));
    EXPECT_FALSE(fs::exists(scratch / "f_025.png"));
}

TEST(times, containers_without_times_get_the_rate_of_the_frames_and_repeats) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 12;
    spec.sound = false;
    make_clip(scratch / "even.mp4", spec);  // its clock runs at 12800
    make_clip(scratch / "even.mkv", spec);
    // The frames 0 to 5, then every third.
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "even.mkv") + " -vf \"select='lt(n,6)+not(mod(n,3))'\" -vsync passthrough " +
                       (scratch / "uneven.mkv")));
    for (const char* ending : {"mxf", "h264", "mjpg", "mpg"}) {
        SCOPED_TRACE(ending);
        for (const char* in : {"even.mp4", "even.mkv"}) {
            const Enlarged done = enlarged(scratch / in, scratch / (std::string("out.") + ending));
            ASSERT_TRUE(done.report) << done.report.error().message;
            const SeenClip seen = look_at(scratch / (std::string("out.") + ending));
            EXPECT_EQ(seen.times.size(), 12u);
            if (ending == std::string("mxf")) expect_steady(seen, 12);  // bare streams have no times to look at
            fs::remove(scratch / (std::string("out.") + ending));
        }
        const Enlarged done = enlarged(scratch / "uneven.mkv", scratch / (std::string("uneven.") + ending));
        ASSERT_TRUE(done.report) << done.report.error().message;
        const SeenClip seen = look_at(scratch / (std::string("uneven.") + ending));
        ASSERT_GE(seen.times.size(), 10u);  // 0 to 5, 5, 5, 6, 6 and what the last frame's length adds
        ASSERT_LE(seen.times.size(), 12u);
        if (ending == std::string("mxf")) expect_steady(seen, seen.times.size());
    }
}

TEST(times, a_frame_rate_that_is_none_is_refused) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 3;
    make_clip(scratch / "in.mkv", spec);
    for (const char* rate : {"nan", "3e9", "0.0004", "inf"}) {
        const Ran ran = run(scratch, words(scratch / "in.mkv", scratch / "out.mkv", {"--frame-rate", rate}));
        EXPECT_EQ(ran.code, 2) << rate << ": " << ran.errors;
        EXPECT_NE(ran.errors.find("--frame-rate"), std::string::npos) << ran.errors;
    }
    VideoOptions options;
    for (const double rate : {-25.0, 3e9, 0.0004, std::nan("")}) {
        options.frame_rate = rate;
        const Enlarged done = enlarged(scratch / "in.mkv", scratch / "out.mkv", options);
        ASSERT_FALSE(done.report) << rate;
        EXPECT_EQ(done.report.error().code, Errc::argument);
    }
    options.frame_rate = 0;
    options.timeout_s = std::nan("");
    EXPECT_FALSE(enlarged(scratch / "in.mkv", scratch / "out.mkv", options).report);
    EXPECT_FALSE(fs::exists(scratch / "out.mkv"));
}

}  // namespace
}  // namespace enlarge::test
