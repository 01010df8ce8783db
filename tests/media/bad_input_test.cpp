// SPDX-License-Identifier: Apache-2.0
// Files that are not what they claim to be: one sentence, the right exit code, no half output.
#include <gtest/gtest.h>

#include <random>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// One line on stderr that is the error.
void expect_refused(const Scratch& scratch, const std::string& in, int code, const std::string& words) {
    const std::string out = scratch / "out.mkv";
    const Ran ran = run(scratch, {in, "-o", out, "-m", model_path("nearest-x2"), "--threads", "1", "--container", "mkv"});
    EXPECT_EQ(ran.code, code) << ran.errors;
    EXPECT_NE(ran.errors.find(words), std::string::npos) << ran.errors;
    EXPECT_FALSE(fs::exists(out));
    EXPECT_FALSE(fs::exists(out + ".part"));
    EXPECT_FALSE(fs::exists(out + ".enlarge"));
}

TEST(bad_videos, empty_garbage_and_missing_files_are_refused) {
    const Scratch scratch;
    write(scratch / "empty.mp4", "");
    expect_refused(scratch, scratch / "empty.mp4", 6, "empty");
    write(scratch / "text.mkv", std::string(5000, 'x'));
    expect_refused(scratch, scratch / "text.mkv", 6, "");
    expect_refused(scratch, scratch / "missing.mp4", 3, "No such file");
}

TEST(bad_videos, sound_without_video_is_refused) {
    const Scratch scratch;
    ClipSpec spec;
    make_clip(scratch / "av.mkv", spec);
    // A WAV file, by hand.
    std::string wav = "RIFF\x24\x10\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00" "data";
    wav.assign("RIFF", 4);
    const auto put = [&](std::uint32_t v, int n) {
        for (int i = 0; i < n; ++i) wav.push_back(static_cast<char>(v >> (8 * i)));
    };
    put(36 + 8000, 4);
    wav += "WAVEfmt ";
    put(16, 4), put(1, 2), put(1, 2), put(8000, 4), put(8000, 4), put(1, 2), put(8, 2);
    wav += "data";
    put(8000, 4);
    wav.append(8000, '\x80');
    write(scratch / "sound.wav", wav);
    expect_refused(scratch, scratch / "sound.wav", 6, "sound but no video");
}

TEST(bad_videos, a_truncated_mp4_without_its_index_is_refused) {
    const Scratch scratch;
    ClipSpec spec;
    make_clip(scratch / "in.mp4", spec);
    const std::string whole = contents(scratch / "in.mp4");
    write(scratch / "cut.mp4", whole.substr(0, whole.size() / 2));
    expect_refused(scratch, scratch / "cut.mp4", 6, "moov");
}

TEST(bad_videos, a_truncated_matroska_gives_what_can_be_read) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 60;
    spec.codec_options = {{"preset", "ultrafast"}, {"crf", "20"}, {"g", "10"}};
    make_clip(scratch / "in.mkv", spec);
    const std::string whole = contents(scratch / "in.mkv");
    write(scratch / "cut.mkv", whole.substr(0, whole.size() * 6 / 10));
    const Ran ran = run(scratch, {scratch / "cut.mkv", "-o", scratch / "out.mkv", "-m", model_path("nearest-x2"), "--threads", "1"});
    EXPECT_EQ(ran.code, 0) << ran.errors;
    const SeenClip in = look_at(scratch / "cut.mkv"), out = look_at(scratch / "out.mkv");
    EXPECT_GT(in.times.size(), 10u);
    EXPECT_EQ(in.times.size(), out.times.size());
}

TEST(bad_videos, a_size_change_in_mid_stream_is_brought_to_the_first_size) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 10;
    spec.sound = false;
    spec.codec = "mpeg2video";
    spec.codec_options = {{"b", "3000000"}, {"bf", "0"}};
    make_clip(scratch / "a.m2v", spec);
    spec.width = 64;
    spec.height = 48;
    make_clip(scratch / "b.m2v", spec);
    write(scratch / "ab.m2v", contents(scratch / "a.m2v") + contents(scratch / "b.m2v"));
    const Ran ran = run(scratch, {scratch / "ab.m2v", "-o", scratch / "out.mkv", "-m", model_path("nearest-x2"), "--threads", "1", "--container", "mkv"});
    ASSERT_EQ(ran.code, 0) << ran.errors;
    EXPECT_NE(ran.errors.find("changes its size"), std::string::npos) << ran.errors;
    EXPECT_EQ(ran.errors.find("changes its size"), ran.errors.rfind("changes its size")) << "said once";
    const SeenClip out = look_at(scratch / "out.mkv");
    EXPECT_EQ(out.times.size(), look_at(scratch / "ab.m2v").times.size());
    EXPECT_GT(out.times.size(), 15u);
    EXPECT_EQ(out.width, 192);
}

TEST(bad_videos, damaged_clips_never_crash_and_never_leave_a_half_output) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 30;
    Upscaler engine = upscaler("nearest-x2");
    std::mt19937 random(7);
    for (const char* name : {"in.mp4", "in.mkv", "in.ts"}) {
        make_clip(scratch / name, spec);
        const std::string whole = contents(scratch / name);
        for (int round = 0; round < 25; ++round) {
            std::string bytes = whole;
            const int hits = 1 + round * 3;
            for (int i = 0; i < hits; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
            if (round % 5 == 4) bytes.resize(random() % bytes.size() + 1);
            const std::string in = scratch / (std::string("bad") + name), out = scratch / "out.mkv";
            write(in, bytes);
            VideoOptions options;
            options.notice = [](const std::string&) {};
            options.preset = "ultrafast";
            const auto report = enlarge_video(engine, in, out, options);
            EXPECT_EQ(report.ok(), fs::exists(out)) << name << " round " << round << (report ? "" : report.error().message);
            if (!report) {
                EXPECT_NE(report.error().code, Errc::internal) << report.error().message;
                EXPECT_EQ(report.error().message.find('\n'), std::string::npos);
            }
            fs::remove(out);
            fs::remove_all(out + ".enlarge");
        }
    }
}

TEST(bad_videos, wrong_options_are_named) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 3;
    make_clip(scratch / "in.mkv", spec);
    const auto fails = [&](std::vector<std::string> more, int code, const std::string& words) {
        std::vector<std::string> list{scratch / "in.mkv", "-o", scratch / "out.mkv", "-m", model_path("nearest-x2"), "--threads", "1"};
        list.insert(list.end(), more.begin(), more.end());
        const Ran ran = run(scratch, list);
        EXPECT_EQ(ran.code, code) << ran.errors;
        EXPECT_NE(ran.errors.find(words), std::string::npos) << ran.errors;
        EXPECT_FALSE(fs::exists(scratch / "out.mkv"));
    };
    fails({"--video-codec", "libx266"}, 2, "libx266");
    fails({"--encoder-option", "nonsense=1"}, 2, "nonsense");
    fails({"--encoder-option", "nonsense"}, 2, "key=value");
    fails({"--filter-before", "nosuchfilter"}, 2, "nosuchfilter");
    fails({"--pixel-format", "pal8"}, 2, "pal8");
    fails({"--from", "yesterday"}, 2, "yesterday");
    fails({"--from", "10", "--to", "5"}, 2, "end after it begins");
    fails({"--container", "nothing"}, 2, "nothing");
}

}  // namespace
}  // namespace enlarge::test
