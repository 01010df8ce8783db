// SPDX-License-Identifier: Apache-2.0
// What comes with a video and must be in the output, or be said to be lost: captions, loops and delays, subtitles,
// sound.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

extern "C" {
#include <libavcodec/avcodec.h>
}

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"
#include "media/input.hpp"

namespace enlarge::test {
namespace {

const std::string kPicture = "-f lavfi -i testsrc2=s=96x64:r=25:d=1";

TEST(kept, closed_captions_are_written_or_said_to_be_lost_by_every_encoder) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 12;
    spec.sound = false;
    spec.captions = true;
    make_clip(scratch / "in.mkv", spec);
    const SeenClip in = look_at(scratch / "in.mkv");
    ASSERT_EQ(in.captions.size(), 12u);
    for (const char* codec : {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg2video", "ffv1"}) {
        SCOPED_TRACE(codec);
        if (!avcodec_find_encoder_by_name(codec)) continue;
        VideoOptions options;
        options.video_codec = codec;
        const Enlarged done = enlarged(scratch / "in.mkv", scratch / "out.mkv", options);
        ASSERT_TRUE(done.report) << done.report.error().message;
        const SeenClip out = look_at(scratch / "out.mkv");
        const bool said = done.said.find("closed captions in the video are lost") != std::string::npos;
        EXPECT_EQ(said, out.captions.empty()) << done.said;
        if (!said) {
            EXPECT_EQ(out.captions, in.captions);
        }
        if (std::string(codec) == "libx264" || std::string(codec) == "mpeg2video") {
            EXPECT_FALSE(said);
        }
        fs::remove(scratch / "out.mkv");
    }
    spec.captions = false;
    make_clip(scratch / "none.mkv", spec);
    VideoOptions options;
    options.video_codec = "libx265";
    EXPECT_EQ(enlarged(scratch / "none.mkv", scratch / "out.mkv", options).said.find("captions"), std::string::npos);
}

int byte_of(const std::string& bytes, std::size_t at) {
    return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : -1;
}
int little(const std::string& bytes, std::size_t at, int count) {
    int value = 0;
    for (int i = count - 1; i >= 0; --i) value = value << 8 | byte_of(bytes, at + static_cast<std::size_t>(i));
    return value;
}

// How often an animation plays, 0 = for ever, and how long its last frame stays, by a look at its bytes.
struct Animation {
    int plays = -1, last_ms = -1;
};
Animation animation(const std::string& path) {
    const std::string bytes = contents(path);
    Animation out;
    if (bytes.starts_with("GIF8")) {
        const auto loop = bytes.find("NETSCAPE2.0");
        const int repeats = loop == std::string::npos ? -1 : little(bytes, loop + 13, 2);
        out.plays = repeats < 0 ? 1 : repeats == 0 ? 0 : repeats + 1;
        out.last_ms = 10 * little(bytes, bytes.rfind("\x21\xf9\x04") + 4, 2);
    } else if (bytes.starts_with("RIFF")) {
        out.plays = little(bytes, bytes.find("ANIM") + 12, 2);
        out.last_ms = little(bytes, bytes.rfind("ANMF") + 20, 3);
    } else {
        out.plays = byte_of(bytes, bytes.find("acTL") + 11);
        const std::size_t last = bytes.rfind("fcTL") + 24;
        out.last_ms = 1000 * (byte_of(bytes, last) << 8 | byte_of(bytes, last + 1)) /
                      std::max(1, byte_of(bytes, last + 2) << 8 | byte_of(bytes, last + 3));
    }
    return out;
}

TEST(kept, animations_play_as_often_and_end_as_slowly_from_any_to_any) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    const std::string made = "-f lavfi -i testsrc2=s=64x48:r=10:d=0.8 ";
    for (const int plays : {1, 3, 0}) {
        ASSERT_TRUE(ffmpeg(made + "-loop " +
                           std::to_string(plays == 0   ? 0
                                          : plays == 1 ? -1
                                                       : plays - 1) +
                           " -final_delay 70 " + (scratch / "in.gif")));
        ASSERT_TRUE(ffmpeg(made + "-final_delay 7/10 -plays " + std::to_string(plays) + " " + (scratch / "in.apng")));
        ASSERT_TRUE(ffmpeg(made + "-c:v libwebp_anim -loop " + std::to_string(plays) + " " + (scratch / "in.webp")));
        std::string webp = contents(scratch / "in.webp");
        for (int i = 0; i < 3; ++i)
            webp[webp.rfind("ANMF") + 20 + static_cast<std::size_t>(i)] = static_cast<char>(700 >> (8 * i));
        write_file(scratch / "in.webp", webp);
        for (const std::string from : {"in.gif", "in.apng", "in.webp"}) {
            if (plays == 0 && from != "in.gif") continue;
            ASSERT_EQ(animation(scratch / from).plays, plays) << from;
            ASSERT_EQ(animation(scratch / from).last_ms, 700) << from;
            for (const std::string to : {"out.gif", "out.apng", "out.webp", "out.png"}) {
                SCOPED_TRACE(from + " " + to);
                const Enlarged done = enlarged(scratch / from, scratch / to);
                ASSERT_TRUE(done.report) << done.report.error().message;
                EXPECT_EQ(animation(scratch / to).plays, plays);
                EXPECT_EQ(animation(scratch / to).last_ms, 700);
                if (from != "in.gif") continue;
                // Through a pipe the file is written as it is made.
                const std::string ending = fs::path(to).extension().string().substr(1),
                                  format = ending == "png" ? "apng" : ending;
                const Ran ran = run(scratch, words(scratch / from, "-", {"--container", format.c_str()}), "",
                                    scratch / ("piped." + format));
                ASSERT_EQ(ran.code, 0) << ran.errors;
                EXPECT_EQ(animation(scratch / ("piped." + format)).last_ms, 700);
            }
        }
        for (const char* name : {"out.gif", "out.apng", "out.webp", "out.png"}) fs::remove(scratch / name);
    }
}

TEST(kept, a_video_becomes_an_animation_that_plays_for_ever) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 5;
    make_clip(scratch / "in.mp4", spec);
    for (const char* name : {"out.gif", "out.apng", "out.webp"}) {
        const Enlarged done = enlarged(scratch / "in.mp4", scratch / name);
        ASSERT_TRUE(done.report) << done.report.error().message;
        EXPECT_EQ(animation(scratch / name).plays, 0) << name;
    }
}

TEST(kept, a_webp_canvas_beyond_what_a_packet_holds_is_refused) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    ASSERT_TRUE(ffmpeg("-f lavfi -i testsrc2=s=64x48:r=10:d=0.3 -c:v libwebp_anim " + (scratch / "in.webp")));
    std::string bytes = contents(scratch / "in.webp");
    const auto put = [&](std::size_t at, int value) {
        for (int i = 0; i < 3; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<char>((value - 1) >> (8 * i));
    };
    put(24, 32768);
    put(27, 32769);  // 4 bytes a pixel: beyond 32 bits
    write_file(scratch / "in.webp", bytes);
    media::InputOptions options;
    options.path = scratch / "in.webp";
    const auto opened = media::Input::open(options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::limit) << opened.error().message;
}

// What a player would show and say.
std::string subtitles_of(const Scratch& scratch, const std::string& path) {
    EXPECT_TRUE(ffmpeg("-i " + path + " -map 0:s:0 " + (scratch / "text.srt")));
    return contents(scratch / "text.srt");
}
std::string samples_of(const Scratch& scratch, const std::string& path) {
    EXPECT_TRUE(ffmpeg("-i " + path + " -map 0:a:0 -c:a pcm_s32le -f s32le " + (scratch / "sound.raw")));
    return contents(scratch / "sound.raw");
}

TEST(kept, text_subtitles_become_the_kind_that_the_container_holds) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    write_file(scratch / "in.srt",
               "1\n00:00:00,200 --> 00:00:00,500\nGr\xc3\xbc\xc3\x9f dich\n\n2\n00:00:00,600 --> "
               "00:00:00,900\n<i>two</i>\nlines\n\n");
    const std::string head = kPicture + " -i " + (scratch / "in.srt") +
                             " -map 0 -map 1 -c:v libx264 -preset ultrafast -metadata:s:s:0 language=ger ";
    ASSERT_TRUE(ffmpeg(head + "-c:s srt " + (scratch / "srt.mkv")));
    ASSERT_TRUE(ffmpeg(head + "-c:s ass " + (scratch / "ass.mkv")));
    ASSERT_TRUE(ffmpeg(head + "-c:s webvtt " + (scratch / "vtt.mkv")));
    ASSERT_TRUE(ffmpeg(head + "-c:s mov_text " + (scratch / "mov.mp4")));
    for (const auto& [from, to, codec] : {std::tuple{"srt.mkv", "out.mp4", "mov_text"},
                                          {"ass.mkv", "out.mov", "mov_text"},
                                          {"vtt.mkv", "out.mp4", "mov_text"},
                                          {"mov.mp4", "out.mkv", "subrip"},
                                          {"mov.mp4", "out.webm", "webvtt"},
                                          {"srt.mkv", "out.webm", "webvtt"}}) {
        SCOPED_TRACE(std::string(from) + " " + to);
        const Enlarged done = enlarged(scratch / from, scratch / to);
        ASSERT_TRUE(done.report) << done.report.error().message;
        EXPECT_NE(done.said.find(std::string("becomes ") + codec), std::string::npos) << done.said;
        const SeenClip seen = look_at(scratch / to);
        ASSERT_EQ(seen.streams.size(), 2u);
        EXPECT_EQ(seen.streams[1].codec, codec);
        EXPECT_EQ(seen.streams[1].language, std::string(to) == "out.webm" ? seen.streams[1].language : "ger");
        EXPECT_EQ(subtitles_of(scratch, scratch / to), subtitles_of(scratch, scratch / from));
        fs::remove(scratch / to);
    }
    // Kinds that are held stay what they are.
    const Enlarged same = enlarged(scratch / "ass.mkv", scratch / "same.mkv");
    ASSERT_TRUE(same.report) << same.report.error().message;
    EXPECT_EQ(look_at(scratch / "same.mkv").streams.at(1), look_at(scratch / "ass.mkv").streams.at(1));
}

TEST(kept, pcm_sound_in_mp4_becomes_flac_sample_for_sample) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    const std::string head = kPicture +
                             " -f lavfi -i aevalsrc='0.8*sin(2000*t)*cos(7*t)|0.5*sin(310*t*t)':s=44100:d=1 -map 0 "
                             "-map 1 -c:v libx264 -preset ultrafast ";
    for (const char* codec : {"pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_mulaw"}) {
        SCOPED_TRACE(codec);
        ASSERT_TRUE(ffmpeg(head + "-c:a " + codec + " " + (scratch / "in.mov")));
        const Enlarged done = enlarged(scratch / "in.mov", scratch / "out.mp4");
        ASSERT_TRUE(done.report) << done.report.error().message;
        EXPECT_NE(done.said.find("becomes flac, without loss"), std::string::npos) << done.said;
        const SeenClip seen = look_at(scratch / "out.mp4");
        ASSERT_EQ(seen.streams.size(), 2u);
        EXPECT_EQ(seen.streams[1].codec, "flac");
        EXPECT_NEAR(seen.streams[1].first_s, 0, 0.001);
        const std::string expected = samples_of(scratch, scratch / "in.mov");
        ASSERT_GT(expected.size(), 300'000u);
        EXPECT_EQ(samples_of(scratch, scratch / "out.mp4"), expected);
        fs::remove(scratch / "out.mp4");
    }
    // Floating point does not fit: refused as ever, not made coarser.
    ASSERT_TRUE(ffmpeg(head + "-c:a pcm_f32le " + (scratch / "float.mov")));
    const Enlarged refused = enlarged(scratch / "float.mov", scratch / "out.mp4");
    ASSERT_FALSE(refused.report);
    EXPECT_NE(refused.report.error().message.find("pcm_f32le"), std::string::npos) << refused.report.error().message;
}

}  // namespace
}  // namespace enlarge::test
