// SPDX-License-Identifier: Apache-2.0
// Files that were broken off, which must be said, and whole ones, of which it must not.
#include <gtest/gtest.h>

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"

namespace enlarge::test {
namespace {

void expect_said(const Scratch& scratch, const std::string& in, std::int64_t frames) {
    SCOPED_TRACE(in);
    const Enlarged whole = enlarged(in, scratch / "whole.mkv");
    ASSERT_TRUE(whole.report) << whole.report.error().message;
    EXPECT_FALSE(whole.report->input_cut_short);
    EXPECT_EQ(whole.report->frames_out, frames);
    const std::string bytes = contents(in);
    const std::string cut = scratch / ("cut" + fs::path(in).extension().string());
    write_file(cut, bytes.substr(0, bytes.size() * 7 / 10));
    const Enlarged done = enlarged(cut, scratch / "cut_out.mkv");
    ASSERT_TRUE(done.report) << done.report.error().message;
    EXPECT_TRUE(done.report->input_cut_short);
    EXPECT_LT(done.report->frames_out, frames);
    fs::remove(scratch / "cut_out.mkv");
    fs::remove(scratch / "whole.mkv");
}

TEST(ends, a_file_that_was_broken_off_says_so_whatever_its_container) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 50;
    spec.codec_options = {{"preset", "ultrafast"}, {"crf", "12"}, {"g", "10"}, {"bf", "0"}};
    make_clip(scratch / "in.mkv", spec);
    make_clip(scratch / "in.avi", spec);
    make_clip(scratch / "in.ts", spec);
    make_clip(scratch / "in.flv", spec);
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -c copy -movflags +faststart " + (scratch / "in.mp4")));
    ASSERT_TRUE(
        ffmpeg("-i " + (scratch / "in.mkv") + " -c copy -movflags +frag_keyframe+empty_moov " + (scratch / "in.mov")));
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -an -vsync passthrough " + (scratch / "in.y4m")));
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -c copy " + (scratch / "in.nut")));
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -q:v 5 -vsync passthrough " + (scratch / "in.ogv")));
    for (const char* name : {"in.mkv", "in.avi", "in.ts", "in.flv", "in.mp4", "in.mov", "in.y4m", "in.nut", "in.ogv"})
        expect_said(scratch, scratch / name, 50);
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -an -vf fps=10 " + (scratch / "in.gif")));
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -an -vf fps=10 -plays 0 " + (scratch / "in.apng")));
    for (const char* name : {"in.gif", "in.apng"}) expect_said(scratch, scratch / name, 20);
}

TEST(ends, a_pipe_that_was_broken_off_says_so) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 100;
    spec.codec_options = {{"preset", "ultrafast"}, {"crf", "12"}, {"g", "10"}, {"bf", "0"}};
    make_clip(scratch / "in.mkv", spec);
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -c copy -movflags +faststart " + (scratch / "in.mp4")));
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "in.mkv") + " -an -vsync passthrough " + (scratch / "in.y4m")));
    for (const char* name : {"in.mkv", "in.mp4", "in.y4m"}) {
        const std::string bytes = contents(scratch / name);
        for (const double part : {1.0, 0.6}) {
            write_file(scratch / "cut",
                       bytes.substr(0, static_cast<std::size_t>(static_cast<double>(bytes.size()) * part)));
            const Ran ran = run(scratch, words("-", scratch / "out.mkv", {"--container", "mkv", "--json"}),
                                scratch / "cut", scratch / "stdout");
            ASSERT_EQ(ran.code, 0) << ran.errors;
            EXPECT_NE(contents(scratch / "stdout").find(part < 1 ? "\"cut_short\":true" : "\"cut_short\":false"),
                      std::string::npos)
                << name << " " << part;
            fs::remove(scratch / "out.mkv");
        }
    }
}

TEST(ends, a_part_that_was_asked_for_is_not_cut_short) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 50;
    make_clip(scratch / "in.mp4", spec);
    VideoOptions options;
    options.from_s = 0.4;
    options.to_s = 1;
    const Enlarged done = enlarged(scratch / "in.mp4", scratch / "out.mp4", options);
    ASSERT_TRUE(done.report) << done.report.error().message;
    EXPECT_FALSE(done.report->input_cut_short);
}

}  // namespace
}  // namespace enlarge::test
