// SPDX-License-Identifier: Apache-2.0
// From file to file: frames, times, streams, colours.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

VideoOptions lossless() {
    VideoOptions options;
    options.video_codec = "libx264";
    options.encoder_options = {{"qp", "0"}};
    options.preset = "ultrafast";
    options.notice = [](const std::string&) {};
    options.overwrite = false;
    return options;
}

void expect_times(const SeenClip& in, const SeenClip& out, double tolerance) {
    ASSERT_EQ(in.times.size(), out.times.size());
    for (std::size_t i = 0; i < in.times.size(); ++i) ASSERT_NEAR(in.times[i], out.times[i], tolerance) << "frame " << i;
}

TEST(video_files, every_frame_of_a_variable_rate_clip_comes_out_at_its_time) {
    for (const char* ending : {"mp4", "mkv", "mov"}) {
        const Scratch scratch;
        ClipSpec spec;
        spec.variable_rate = true;
        spec.start = 6400;  // half a second
        spec.frames = 37;
        const std::string in = scratch / (std::string("in.") + ending), out = scratch / (std::string("out.") + ending);
        make_clip(in, spec);
        Upscaler engine = upscaler("nearest-x2");
        VideoOptions options = lossless();
        options.segment_frames = 8;
        const auto report = enlarge_video(engine, in, out, options);
        ASSERT_TRUE(report) << report.error().message;
        EXPECT_EQ(report->frames_in, 37);
        EXPECT_EQ(report->frames_out, 37);
        const SeenClip a = look_at(in), b = look_at(out);
        ASSERT_EQ(a.times.size(), 37u);
        expect_times(a, b, std::string(ending) == "mkv" ? 0.0006 : 1e-9);
        EXPECT_EQ(b.width, 192);
        EXPECT_EQ(b.height, 128);
        ASSERT_EQ(b.streams.size(), 2u);
        EXPECT_EQ(a.streams[1], b.streams[1]) << ending;  // sound: same packets, same time
    }
}

TEST(video_files, all_other_streams_chapters_tags_and_fonts_are_kept) {
    const Scratch scratch;
    ClipSpec spec;
    spec.subtitles = spec.chapters = spec.font = spec.tags = true;
    make_clip(scratch / "in.mkv", spec);
    Upscaler engine = upscaler("nearest-x2");
    const auto report = enlarge_video(engine, scratch / "in.mkv", scratch / "out.mkv", lossless());
    ASSERT_TRUE(report) << report.error().message;
    const SeenClip a = look_at(scratch / "in.mkv"), b = look_at(scratch / "out.mkv");
    ASSERT_EQ(a.streams.size(), 4u);
    ASSERT_EQ(b.streams.size(), 4u);
    for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(a.streams[i], b.streams[i]) << i;
    EXPECT_EQ(a.chapters, b.chapters);
    EXPECT_EQ(a.chapters.size(), 2u);
    for (const auto& tag : a.tags)
        if (tag.first != "ENCODER" && tag.first != "encoder") {
            EXPECT_NE(std::find(b.tags.begin(), b.tags.end(), tag), b.tags.end()) << tag.first;
        }
}

TEST(video_files, an_identity_network_changes_8_bit_colours_by_less_than_half_a_step) {
    for (const int matrix : {1, 5, 9}) {
        for (const char* format : {"yuv420p", "yuv444p", "yuvj420p"}) {
            const Scratch scratch;
            ClipSpec spec;
            spec.frames = 6;
            spec.matrix = matrix;
            spec.primaries = matrix;
            spec.pixel_format = format;
            spec.codec = "ffv1";
            spec.codec_options = {};
            spec.sound = false;
            if (std::string(format) == "yuvj420p") {
                spec.codec = "mjpeg";
                spec.codec_options = {{"qscale", "1"}};
            }
            make_clip(scratch / "in.mkv", spec);
            Upscaler engine = upscaler("identity-x1");
            const auto report = enlarge_video(engine, scratch / "in.mkv", scratch / "out.mkv", lossless());
            ASSERT_TRUE(report) << report.error().message;
            const SeenClip a = look_at(scratch / "in.mkv"), b = look_at(scratch / "out.mkv");
            ASSERT_EQ(a.times.size(), 6u);
            EXPECT_LT(mean_difference(a, b), 0.5) << format << " matrix " << matrix;
        }
    }
}

TEST(video_files, ten_bits_stay_ten_bits) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 6;
    spec.pixel_format = "yuv420p10le";
    spec.codec = "ffv1";
    spec.codec_options = {};
    make_clip(scratch / "in.mkv", spec);
    Upscaler engine = upscaler("identity-x1");
    const auto report = enlarge_video(engine, scratch / "in.mkv", scratch / "out.mkv", lossless());
    ASSERT_TRUE(report) << report.error().message;
    SeenClip a = look_at(scratch / "in.mkv"), b = look_at(scratch / "out.mkv");
    EXPECT_EQ(b.pixel_format, "yuv420p10le");
    for (SeenClip* seen : {&a, &b})  // brightness only: colour is resampled on its way through 4:4:4
        for (auto& frame : seen->pixels) frame.resize(std::size_t{96} * 64 * 2);
    // What it would cost to go through 8 bits.
    SeenClip coarse = a;
    for (auto& frame : coarse.pixels)
        for (std::size_t i = 0; i + 1 < frame.size(); i += 2) {
            const int sample = frame[i] | frame[i + 1] << 8, rounded = std::min(1023, (sample + 2) / 4 * 4);
            frame[i] = static_cast<std::uint8_t>(rounded);
            frame[i + 1] = static_cast<std::uint8_t>(rounded >> 8);
        }
    EXPECT_GT(mean_difference(a, coarse), 0.75);
    EXPECT_LT(mean_difference(a, b), 0.25);
}

TEST(video_files, colour_tags_and_pixel_shape_are_carried) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 4;
    spec.primaries = 9;
    spec.transfer = 16;
    spec.matrix = 9;
    spec.range = 1;
    spec.sar_num = 4;
    spec.sar_den = 3;
    make_clip(scratch / "in.mp4", spec);
    Upscaler engine = upscaler("nearest-x2");
    ASSERT_TRUE(enlarge_video(engine, scratch / "in.mp4", scratch / "out.mp4", lossless()));
    const SeenClip b = look_at(scratch / "out.mp4");
    EXPECT_EQ(b.primaries, 9);
    EXPECT_EQ(b.transfer, 16);
    EXPECT_EQ(b.matrix, 9);
    EXPECT_EQ(b.range, 1);
    EXPECT_EQ(b.sar_num * 3, b.sar_den * 4);
    VideoOptions square = lossless();
    square.square_pixels = true;
    ASSERT_TRUE(enlarge_video(engine, scratch / "in.mp4", scratch / "square.mp4", square));
    const SeenClip s = look_at(scratch / "square.mp4");
    EXPECT_EQ(s.width, 256);
    EXPECT_EQ(s.height, 128);
    EXPECT_EQ(s.sar_num, s.sar_den);
}

TEST(video_files, rotation_is_carried_where_the_container_can_and_applied_where_not) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 4;
    spec.rotation = 90;
    make_clip(scratch / "in.mp4", spec);
    ASSERT_EQ(std::abs(look_at(scratch / "in.mp4").rotation), 90);
    Upscaler engine = upscaler("nearest-x2");
    ASSERT_TRUE(enlarge_video(engine, scratch / "in.mp4", scratch / "out.mp4", lossless()));
    EXPECT_EQ(look_at(scratch / "out.mp4").rotation, look_at(scratch / "in.mp4").rotation);
    EXPECT_EQ(look_at(scratch / "out.mp4").width, 192);
    ASSERT_TRUE(enlarge_video(engine, scratch / "in.mp4", scratch / "out.mkv", lossless()));
    const SeenClip turned = look_at(scratch / "out.mkv");
    ASSERT_EQ(turned.width, 128);
    ASSERT_EQ(turned.height, 192);
    // The picture that a player of the first file shows: its frames turned counterclockwise by the angle it states.
    const SeenClip kept = look_at(scratch / "out.mp4");
    ASSERT_EQ(turned.pixels.size(), kept.pixels.size());
    for (int y = 0; y < 192; ++y)
        for (int x = 0; x < 128; ++x) {
            const int from = kept.rotation == 90 ? x * 192 + 191 - y : (127 - x) * 192 + y;
            ASSERT_EQ(turned.pixels[0][std::size_t(y * 128 + x)], kept.pixels[0][std::size_t(from)]) << x << " " << y;
        }
}

TEST(video_files, what_the_container_cannot_hold_is_named_before_work_begins) {
    const Scratch scratch;
    make_clip(scratch / "in.mkv", {});
    Upscaler engine = upscaler("nearest-x2");
    const auto report = enlarge_video(engine, scratch / "in.mkv", scratch / "out.webm", lossless());
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::unsupported);
    EXPECT_NE(report.error().message.find("stream 1 (audio, "), std::string::npos) << report.error().message;
    EXPECT_NE(report.error().message.find("out.mkv"), std::string::npos) << report.error().message;
    EXPECT_FALSE(fs::exists(scratch / "out.webm"));
    EXPECT_FALSE(fs::exists(scratch / "out.webm.enlarge"));
    VideoOptions skip;
    skip.skip_unsupported = true;
    EXPECT_TRUE(enlarge_video(engine, scratch / "in.mkv", scratch / "out.webm", skip));
}

TEST(video_files, a_quality_that_an_encoder_rounds_is_said) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 3;
    spec.sound = false;
    make_clip(scratch / "in.mkv", spec);
    const auto codes = [&](const std::string& out, double crf) {
        std::string said;
        VideoOptions options;
        options.crf = crf;
        options.notice = [&](const Notice& n) { said += n.code + " "; };
        Upscaler engine = upscaler("nearest-x2");
        EXPECT_TRUE(enlarge_video(engine, scratch / "in.mkv", scratch / out, options));
        return said;
    };
    EXPECT_NE(codes("a.webm", 30.5).find("quality-rounded"), std::string::npos);
    EXPECT_EQ(codes("b.webm", 30).find("quality-rounded"), std::string::npos);
    EXPECT_EQ(codes("c.mkv", 30.5).find("quality-rounded"), std::string::npos);
}

TEST(video_files, interlaced_video_is_deinterlaced_unless_told_not_to) {
    const Scratch scratch;
    ClipSpec spec;
    spec.codec = "mpeg2video";
    spec.codec_options = {{"b", "2000000"}};
    spec.interlaced = true;
    spec.frames = 20;
    make_clip(scratch / "in.mkv", spec);
    Upscaler engine = upscaler("identity-x1");
    std::string said;
    VideoOptions options = lossless();
    options.notice = [&](const std::string& text) { said += text + "\n"; };
    const auto report = enlarge_video(engine, scratch / "in.mkv", scratch / "out.mkv", options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_NE(said.find("interlaced"), std::string::npos) << said;
    const SeenClip a = look_at(scratch / "in.mkv"), b = look_at(scratch / "out.mkv");
    expect_times(a, b, 0.0006);
    EXPECT_GT(mean_difference(a, b), 0.01);
    options.deinterlace = false;
    ASSERT_TRUE(enlarge_video(engine, scratch / "in.mkv", scratch / "raw.mkv", options));
    EXPECT_LT(mean_difference(a, look_at(scratch / "raw.mkv")), 0.5);
}

TEST(video_files, a_part_begins_and_ends_where_asked) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 100;  // 4 s
    make_clip(scratch / "in.mp4", spec);
    Upscaler engine = upscaler("identity-x1");
    VideoOptions options = lossless();
    options.from_s = 1;
    options.to_s = 2;
    const auto report = enlarge_video(engine, scratch / "in.mp4", scratch / "out.mp4", options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->frames_out, 25);
    const SeenClip a = look_at(scratch / "in.mp4"), b = look_at(scratch / "out.mp4");
    ASSERT_EQ(b.times.size(), 25u);
    EXPECT_NEAR(b.times.front(), 0, 1e-6);
    SeenClip part = a;
    part.pixels.assign(a.pixels.begin() + 25, a.pixels.begin() + 50);
    EXPECT_LT(mean_difference(part, b), 0.5);
    EXPECT_GT(b.streams[1].packets, 40);
    EXPECT_LT(b.streams[1].packets, 52);
}

TEST(video_files, identical_frames_are_not_computed_again_and_the_result_is_the_same) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 40;
    spec.still_from = 12;
    spec.codec = "ffv1";
    spec.codec_options = {};
    make_clip(scratch / "in.mkv", spec);
    Upscaler engine = upscaler("swift-x2");
    VideoOptions options = lossless();
    const auto with = enlarge_video(engine, scratch / "in.mkv", scratch / "with.mkv", options);
    ASSERT_TRUE(with) << with.error().message;
    EXPECT_EQ(with->reused_frames, 27);
    options.reuse = false;
    const auto without = enlarge_video(engine, scratch / "in.mkv", scratch / "without.mkv", options);
    ASSERT_TRUE(without) << without.error().message;
    EXPECT_EQ(without->reused_frames, 0);
    EXPECT_EQ(look_at(scratch / "with.mkv").packets, look_at(scratch / "without.mkv").packets);
    // A filter sees each frame at its own time, also when its pixels are those of the frame before.
    options.reuse = true;
    options.filter_after = "hflip";
    ASSERT_TRUE(enlarge_video(engine, scratch / "in.mkv", scratch / "turned.mkv", options));
    expect_times(look_at(scratch / "in.mkv"), look_at(scratch / "turned.mkv"), 1e-9);
}

// Of 384x256, without loss or sound; between frames little changes.
ClipSpec with_small_changes(int frames) {
    ClipSpec spec;
    spec.width = 384;
    spec.height = 256;
    spec.frames = frames;
    spec.small_motion = true;
    spec.codec = "ffv1";
    spec.codec_options = {};
    spec.sound = false;
    return spec;
}

TEST(video_files, small_changes_compute_only_tiles_whose_surroundings_changed_and_the_bits_are_the_same) {
    const Scratch scratch;
    make_clip(scratch / "in.mkv", with_small_changes(10));
    Upscaler engine = upscaler("swift-x2");
    VideoOptions options = lossless();
    const auto with = enlarge_video(engine, scratch / "in.mkv", scratch / "with.mkv", options);
    ASSERT_TRUE(with) << with.error().message;
    EXPECT_EQ(with->partial_frames, 9);
    EXPECT_LT(with->computed_share, 0.8);
    options.reuse = false;
    const auto without = enlarge_video(engine, scratch / "in.mkv", scratch / "without.mkv", options);
    ASSERT_TRUE(without) << without.error().message;
    EXPECT_EQ(without->partial_frames, 0);
    EXPECT_DOUBLE_EQ(without->computed_share, 1);
    const SeenClip a = look_at(scratch / "with.mkv"), b = look_at(scratch / "without.mkv");
    ASSERT_EQ(a.pixels.size(), 10u);
    EXPECT_EQ(a.pixels, b.pixels);
}

TEST(video_files, frames_without_colour_stay_without_also_where_they_are_computed_in_part) {
    for (const char* format : {"yuv420p", "yuv422p10le"}) {
        const Scratch scratch;
        ClipSpec spec = with_small_changes(8);
        spec.colourless_from = 3;
        spec.pixel_format = format;
        make_clip(scratch / "in.mkv", spec);
        Upscaler engine = upscaler("swift-x2");
        VideoOptions options = lossless();
        const auto with = enlarge_video(engine, scratch / "in.mkv", scratch / "with.mkv", options);
        ASSERT_TRUE(with) << with.error().message;
        EXPECT_EQ(with->partial_frames, 6) << "the frame that loses its colour is computed whole";
        options.reuse = false;
        ASSERT_TRUE(enlarge_video(engine, scratch / "in.mkv", scratch / "without.mkv", options));
        const SeenClip a = look_at(scratch / "with.mkv"), b = look_at(scratch / "without.mkv");
        ASSERT_EQ(a.pixels.size(), 8u);
        EXPECT_EQ(a.pixels, b.pixels);
        const std::size_t luma = std::size_t{768} * 512 * (a.bits > 8 ? 2 : 1);
        for (std::size_t n = 0; n < 8; ++n) {
            const std::vector<std::uint8_t>& all = a.pixels[n];
            int farthest = 0;
            for (std::size_t i = luma; i < all.size(); i += a.bits > 8 ? 2 : 1) {
                const int value = a.bits > 8 ? (all[i] | all[i + 1] << 8) >> (a.bits - 8) : all[i];
                farthest = std::max(farthest, std::abs(value - 128));
            }
            if (n < 3) EXPECT_GT(farthest, 20);
            else EXPECT_EQ(farthest, 0) << format << ", frame " << n;
        }
    }
}

TEST(video_files, animations_keep_their_timing_and_transparency) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 12;
    spec.codec = "apng";
    spec.pixel_format = "rgba";
    spec.codec_options = {};
    spec.sound = false;
    spec.time_base_den = 100;
    spec.frame_step = 7;
    make_clip(scratch / "in.apng", spec);
    Upscaler engine = upscaler("nearest-x2");
    VideoOptions options;
    options.notice = [](const std::string&) {};
    const SeenClip a = look_at(scratch / "in.apng");
    ASSERT_EQ(a.times.size(), 12u);
    for (const char* name : {"out.apng", "out.gif", "out.webp"}) {
        const auto report = enlarge_video(engine, scratch / "in.apng", scratch / name, options);
        ASSERT_TRUE(report) << name << ": " << report.error().message;
        EXPECT_EQ(report->frames_out, 12) << name;
        std::string seen = scratch / name;
        if (std::string(name) == "out.webp") {  // FFmpeg cannot read it back; we can
            Upscaler same = upscaler("identity-x1");
            seen = scratch / "back.apng";
            const auto back = enlarge_video(same, scratch / name, seen, options);
            ASSERT_TRUE(back) << back.error().message;
            EXPECT_EQ(back->frames_in, 12);
        }
        const SeenClip b = look_at(seen);
        expect_times(a, b, 0.0051);
        EXPECT_EQ(b.width, 192);
    }
    EXPECT_EQ(look_at(scratch / "out.apng").pixel_format, "rgba");
    EXPECT_TRUE(is_media_file(scratch / "out.gif"));
    EXPECT_TRUE(is_media_file(scratch / "out.webp"));
    EXPECT_TRUE(is_media_file(scratch / "out.apng"));
}

TEST(video_files, picture_sequences_go_in_and_out_with_their_numbers) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 9;
    make_clip(scratch / "in.mp4", spec);
    Upscaler engine = upscaler("nearest-x2");
    VideoOptions options;
    options.notice = [](const std::string&) {};
    options.segment_frames = 4;
    const auto made = enlarge_video(engine, scratch / "in.mp4", scratch / "f_%03d.png", options);
    ASSERT_TRUE(made) << made.error().message;
    for (int i = 1; i <= 9; ++i) EXPECT_TRUE(fs::exists(scratch / ("f_00" + std::to_string(i) + ".png"))) << i;
    fs::remove(scratch / "f_001.png");
    const auto report = enlarge_video(engine, scratch / "f_%03d.png", scratch / "g_%03d.png", options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->frames_out, 8);
    EXPECT_FALSE(fs::exists(scratch / "g_001.png"));
    EXPECT_TRUE(fs::exists(scratch / "g_002.png"));
    EXPECT_TRUE(fs::exists(scratch / "g_009.png"));
    EXPECT_FALSE(is_media_file(scratch / "g_009.png"));
}

}  // namespace
}  // namespace enlarge::test
