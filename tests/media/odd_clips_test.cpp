// SPDX-License-Identifier: Apache-2.0
// Clips of unusual make. Most come from the ffmpeg program, which the product never runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"

namespace enlarge::test {
namespace {

const std::string kPicture = "-f lavfi -i testsrc2=s=96x64:r=25:d=1", kSound = " -f lavfi -i sine=d=1";

void expect_same_times(const SeenClip& a, const SeenClip& b, double tolerance) {
    ASSERT_FALSE(a.times.empty());
    ASSERT_EQ(a.times.size(), b.times.size());
    for (std::size_t i = 0; i < a.times.size(); ++i) ASSERT_NEAR(a.times[i], b.times[i], tolerance) << "frame " << i;
}

TEST(odd_clips, transparency_of_webm_is_kept_where_the_container_can) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    for (const char* codec : {"libvpx", "libvpx-vp9"}) {
        ASSERT_TRUE(ffmpeg(kPicture + " -vf format=yuva420p,lutyuv=a=90 -frames:v 5 -auto-alt-ref 0 -c:v " + codec + " " + (scratch / "in.webm")));
        for (const auto& [name, format] : {std::pair{"out.webm", "yuva420p"}, {"out.mkv", "yuva420p"}, {"out.mov", "yuva444p10le"}}) {
            const Enlarged done = enlarged(scratch / "in.webm", scratch / name);
            ASSERT_TRUE(done.report) << done.report.error().message;
            EXPECT_NE(done.said.find(format), std::string::npos) << name << ": " << done.said;
        }
        const Enlarged lost = enlarged(scratch / "in.webm", scratch / "out.mp4");
        EXPECT_NE(lost.said.find("transparency is lost"), std::string::npos) << lost.said;
        // Read back: the alpha that went in.
        const Enlarged back = enlarged(scratch / "out.webm", scratch / "back.apng");
        ASSERT_TRUE(back.report) << back.report.error().message;
        const SeenClip seen = look_at(scratch / "back.apng");
        ASSERT_EQ(seen.pixel_format, "rgba");
        ASSERT_EQ(seen.pixels.size(), 5u);
        double sum = 0;
        for (std::size_t i = 3; i < seen.pixels[0].size(); i += 4) sum += seen.pixels[0][i];
        EXPECT_NEAR(sum / (96 * 64), 90, 3) << codec;
    }
}

TEST(odd_clips, an_encrypted_mp4_is_refused_and_opened_with_its_key) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    const std::string key = "76a6c65c5ea762046bd749a2e632ccbb";
    ASSERT_TRUE(ffmpeg(kPicture + kSound + " -c:v libx264 -preset ultrafast -encryption_scheme cenc-aes-ctr -encryption_key " + key +
                       " -encryption_kid a7e61c373e219033c21091fa607bf3b8 " + (scratch / "in.mp4")));
    const Enlarged refused = enlarged(scratch / "in.mp4", scratch / "out.mkv");
    ASSERT_FALSE(refused.report);
    EXPECT_EQ(refused.report.error().code, Errc::unsupported);
    EXPECT_NE(refused.report.error().message.find("encrypted"), std::string::npos) << refused.report.error().message;
    EXPECT_FALSE(fs::exists(scratch / "out.mkv"));
    EXPECT_FALSE(fs::exists(scratch / "out.mkv.enlarge"));
    VideoOptions options;
    options.input_options = {{"decryption_key", key}};
    const Enlarged opened = enlarged(scratch / "in.mp4", scratch / "out.mkv", options);
    ASSERT_TRUE(opened.report) << opened.report.error().message;
    EXPECT_EQ(opened.report->frames_out, 25);
    EXPECT_EQ(opened.report->damaged, 0);
}

TEST(odd_clips, opus_in_matroska_stays_in_step_with_the_picture) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg(kPicture + kSound + " -c:v libx264 -preset ultrafast -c:a libopus " + (scratch / "in.mkv")));
    const Enlarged done = enlarged(scratch / "in.mkv", scratch / "out.mkv");
    ASSERT_TRUE(done.report) << done.report.error().message;
    const SeenClip a = look_at(scratch / "in.mkv"), b = look_at(scratch / "out.mkv");
    EXPECT_EQ(a.streams[1], b.streams[1]);
    EXPECT_NEAR(a.times.front() - a.streams[1].first_s, b.times.front() - b.streams[1].first_s, 1e-9);
}

TEST(odd_clips, animations_keep_their_delays_and_transparency_from_any_to_any) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    // Still for a while in the middle, so that results are used again; see-through at the left.
    const std::string made = "-f lavfi -i color=s=64x48:r=10:d=1.2 -vf \"select='not(eq(mod(n,5),2))',format=rgba,"
                             "geq=r='mod(X*3+N*20,256)':g='Y*5':b=128:a='if(lt(X,20),0,255)',loop=loop=3:size=1:start=3\" -vsync vfr ";
    ASSERT_TRUE(ffmpeg(made + "-plays 0 " + (scratch / "in.apng")));
    ASSERT_TRUE(ffmpeg(made + "-c:v libwebp_anim -lossless 1 " + (scratch / "in.webp")));
    const SeenClip in = look_at(scratch / "in.apng");
    ASSERT_EQ(in.times.size(), 13u);
    for (const std::string from : {"in.apng", "in.webp"}) {
        for (const std::string to : {"out.apng", "out.gif", "out.webp"}) {
            SCOPED_TRACE(from + " " + to);
            const Enlarged done = enlarged(scratch / from, scratch / to);
            ASSERT_TRUE(done.report) << done.report.error().message;
            const Enlarged back = enlarged(scratch / to, scratch / "back.apng");
            ASSERT_TRUE(back.report) << back.report.error().message;
            const SeenClip seen = look_at(scratch / "back.apng");
            if (from != "in.webp" && to != "out.webp") {
                expect_same_times(in, seen, 0.0051);
            } else {  // libwebp makes one frame of equal neighbours, and shows it longer
                ASSERT_GE(seen.times.size(), 10u);
                for (const double time : seen.times)
                    EXPECT_TRUE(std::any_of(in.times.begin(), in.times.end(), [&](double t) { return std::fabs(t - time) < 0.0051; })) << time;
                EXPECT_NEAR(seen.times.back(), in.times.back(), 0.0051);
            }
            ASSERT_EQ(seen.pixel_format, "rgba");
            const auto alpha = [&](std::size_t x) { return seen.pixels[4][(24 * 64 + x) * 4 + 3]; };
            EXPECT_EQ(alpha(10), 0);
            EXPECT_EQ(alpha(40), 255);
        }
    }
}

TEST(odd_clips, a_damaged_animated_webp_gives_its_whole_frames_or_a_sentence) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg("-f lavfi -i testsrc2=s=64x48:r=10:d=1 -c:v libwebp_anim " + (scratch / "in.webp")));
    const std::string whole = contents(scratch / "in.webp");
    for (std::size_t part = 1; part < 12; ++part) {
        std::ofstream(scratch / "cut.webp", std::ios::binary) << whole.substr(0, whole.size() * part / 12);
        const Enlarged done = enlarged(scratch / "cut.webp", scratch / "out.apng");
        EXPECT_EQ(done.report.ok(), fs::exists(scratch / "out.apng"));
        if (!done.report) {
            EXPECT_NE(done.report.error().code, Errc::internal) << done.report.error().message;
        }
        fs::remove(scratch / "out.apng");
    }
}

TEST(odd_clips, gaps_edit_lists_and_cut_groups_keep_every_frame_at_its_time) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    const std::string x264 = " -c:v libx264 -preset veryfast -g 8 -bf 3 -c:a aac ";
    ASSERT_TRUE(ffmpeg(kPicture + kSound + " -vf \"select='not(between(n,8,14))*not(eq(mod(n,7),3))'\" -vsync vfr" + x264 + (scratch / "gaps.mp4")));
    ASSERT_TRUE(ffmpeg(kPicture + kSound + x264 + (scratch / "whole.mp4")));
    ASSERT_TRUE(ffmpeg("-ss 0.33 -i " + (scratch / "whole.mp4") + " -c copy " + (scratch / "edited.mp4")));
    ASSERT_TRUE(ffmpeg(kPicture + " -c:v libx265 -x265-params open-gop=1:keyint=8:bframes=3:log-level=none " + (scratch / "open.mkv")));
    ASSERT_TRUE(ffmpeg("-ss 0.4 -i " + (scratch / "open.mkv") + " -c copy " + (scratch / "open.mp4")));
    ASSERT_TRUE(ffmpeg("-ss 0.4 -i " + (scratch / "open.mkv") + " -c copy " + (scratch / "open.ts")));
    for (const char* name : {"gaps.mp4", "edited.mp4", "open.mp4", "open.ts"}) {
        const std::string out = scratch / (std::string("out") + fs::path(name).extension().string());
        const Enlarged done = enlarged(scratch / name, out);
        ASSERT_TRUE(done.report) << name << ": " << done.report.error().message;
        const SeenClip a = look_at(scratch / name), b = look_at(out);
        SCOPED_TRACE(name);
        expect_same_times(a, b, 1e-9);
        if (a.streams.size() > 1) {
            EXPECT_EQ(a.streams[1], b.streams[1]);
        }
        fs::remove(out);
    }
}

TEST(odd_clips, each_container_gets_a_codec_that_its_players_know) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg(kPicture + kSound + " -c:v mpeg2video -q:v 2 -c:a mp2 " + (scratch / "in.mpg")));
    ASSERT_TRUE(ffmpeg(kPicture + kSound + " -c:v libtheora -q:v 9 -c:a libvorbis " + (scratch / "in.ogv")));
    for (const auto& [name, codec] : {std::pair{"mpg", "mpeg2video"}, {"ogv", "theora"}}) {
        const std::string in = scratch / (std::string("in.") + name), out = scratch / (std::string("out.") + name);
        const Enlarged done = enlarged(in, out);
        ASSERT_TRUE(done.report) << name << ": " << done.report.error().message;
        const SeenClip a = look_at(in), b = look_at(out);
        EXPECT_EQ(b.streams.at(0).codec, codec);
        EXPECT_EQ(a.streams.at(1), b.streams.at(1));
        EXPECT_EQ(a.times.size(), b.times.size());
        EXPECT_LT(mean_difference(a, b), 3) << name;
    }
}

TEST(odd_clips, rgb_becomes_limited_range_as_players_expect) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg("-f lavfi -i color=white:s=64x48:r=25:d=0.2,format=rgb24 -c:v ffv1 " + (scratch / "in.mkv")));
    const Enlarged done = enlarged(scratch / "in.mkv", scratch / "out.mp4");
    ASSERT_TRUE(done.report) << done.report.error().message;
    const SeenClip seen = look_at(scratch / "out.mp4");
    EXPECT_EQ(seen.range, 1);
    EXPECT_NEAR(seen.pixels.at(0).at(64 * 24 + 32), 235, 1);
}

TEST(odd_clips, the_place_of_a_recording_is_kept) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg(kPicture + " -c:v libx264 -metadata location=+35.6895+139.6917/ -metadata rating=5 -movflags use_metadata_tags " + (scratch / "in.mp4")));
    const Enlarged done = enlarged(scratch / "in.mp4", scratch / "out.mp4");
    ASSERT_TRUE(done.report) << done.report.error().message;
    const SeenClip seen = look_at(scratch / "out.mp4");
    for (const char* key : {"location", "com.apple.quicktime.location.ISO6709"}) {
        const auto tag = std::find_if(seen.tags.begin(), seen.tags.end(), [&](const auto& t) { return t.first == key; });
        ASSERT_NE(tag, seen.tags.end()) << key;
        EXPECT_EQ(tag->second, "+35.6895+139.6917/");
    }
}

TEST(odd_clips, the_first_of_several_videos_is_enlarged_and_covers_are_no_video) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg("-f lavfi -i color=red:s=64x64 -frames:v 1 " + (scratch / "cover.jpg")));
    ASSERT_TRUE(ffmpeg("-i " + (scratch / "cover.jpg") + " " + kPicture + kSound + " -map 0 -map 1 -map 2 -c:v:0 mjpeg -c:v:1 libx264 -c:a aac -disposition:v:0 attached_pic " + (scratch / "cover.mp4")));
    const Enlarged cover = enlarged(scratch / "cover.mp4", scratch / "out.mp4");
    ASSERT_TRUE(cover.report) << cover.report.error().message;
    EXPECT_EQ(cover.report->input.width, 96);
    EXPECT_EQ(cover.report->frames_out, 25);
    EXPECT_EQ(cover.said.find("video streams"), std::string::npos) << cover.said;
    ASSERT_TRUE(ffmpeg(kPicture + " -f lavfi -i testsrc=s=64x48:r=10:d=1 -map 0 -map 1 -c:v libx264 " + (scratch / "two.mkv")));
    const Enlarged two = enlarged(scratch / "two.mkv", scratch / "two_out.mkv");
    ASSERT_TRUE(two.report) << two.report.error().message;
    EXPECT_NE(two.said.find("2 video streams: stream 0"), std::string::npos) << two.said;
    EXPECT_EQ(look_at(scratch / "two_out.mkv").streams.size(), 2u);
}

TEST(odd_clips, dolby_vision_is_dropped_with_a_warning) {
    const Scratch scratch;
    ClipSpec spec;
    spec.codec = "libx265";
    spec.codec_options = {{"x265-params", "log-level=none"}};
    spec.pixel_format = "yuv420p10le";
    spec.frames = 4;
    spec.primaries = spec.matrix = 9;
    spec.transfer = 16;
    for (const int profile : {5, 8}) {
        spec.dolby_vision = profile;
        make_clip(scratch / "in.mp4", spec);
        const Enlarged done = enlarged(scratch / "in.mp4", scratch / "out.mp4");
        ASSERT_TRUE(done.report) << done.report.error().message;
        EXPECT_NE(done.said.find(profile == 5 ? "colours that only Dolby Vision players" : "Dolby Vision metadata"), std::string::npos) << done.said;
        fs::remove(scratch / "out.mp4");
    }
}

}  // namespace
}  // namespace enlarge::test
