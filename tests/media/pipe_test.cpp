// SPDX-License-Identifier: Apache-2.0
// Pipes, and live streams on loopback.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

const std::string kRest = " -m " + model_path("nearest-x2") + " --threads 1 --precision fp32 ";

int shell(const std::string& command) {
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(video_pipes, y4m_in_gives_y4m_out) {
    const Scratch scratch;
    ClipSpec spec;
    spec.codec = "wrapped_avframe";
    spec.codec_options = {};
    spec.sound = false;
    spec.frames = 11;
    make_clip(scratch / "in.y4m", spec);
    ASSERT_EQ(shell("cat " + (scratch / "in.y4m") + " | " + program_path() + " - -o - " + kRest + " --quiet | cat > " + (scratch / "out.y4m")), 0);
    const SeenClip out = look_at(scratch / "out.y4m");
    EXPECT_EQ(out.times.size(), 11u);
    EXPECT_EQ(out.width, 192);
    EXPECT_EQ(contents(scratch / "out.y4m").substr(0, 9), "YUV4MPEG2");
}

TEST(video_pipes, matroska_in_gives_nut_out_with_sound_and_times) {
    const Scratch scratch;
    ClipSpec spec;
    spec.variable_rate = true;
    spec.frames = 30;
    make_clip(scratch / "in.mkv", spec);
    ASSERT_EQ(shell("cat " + (scratch / "in.mkv") + " | " + program_path() + " - -o - " + kRest + " --quiet | cat > " + (scratch / "out.nut")), 0);
    const SeenClip in = look_at(scratch / "in.mkv"), out = look_at(scratch / "out.nut");
    ASSERT_EQ(out.streams.size(), 2u);
    EXPECT_EQ(out.streams[0].codec, "rawvideo");
    EXPECT_EQ(out.streams[1].hash, in.streams[1].hash);
    ASSERT_EQ(out.times.size(), in.times.size());
    for (std::size_t i = 0; i < in.times.size(); ++i) EXPECT_NEAR(in.times[i] - in.streams[1].first_s, out.times[i] - out.streams[1].first_s, 0.001);
}

TEST(video_pipes, say_where_a_guess_about_the_colours_would_be_wrong) {
    SKIP_WITHOUT_FFMPEG();
    const Scratch scratch;
    const auto said = [&](const std::string& colours, const std::string& container) {
        EXPECT_TRUE(enlarge::test::ffmpeg("-f lavfi -i testsrc2=size=64x300:rate=25 -frames:v 1 -pix_fmt yuv420p " +
                                          colours + " -c:v ffv1 " + (scratch / "in.mkv")));
        EXPECT_EQ(shell(program_path() + " " + (scratch / "in.mkv") + " -o - --container " + container + kRest + " >" +
                        (scratch / "out") + " 2>" + (scratch / "err")), 0) << contents(scratch / "err");
        return contents(scratch / "err").find("do not say their colours") != std::string::npos;
    };
    const std::string sd = "-colorspace smpte170m", hd = "-colorspace bt709", full = hd + " -color_range pc";
    EXPECT_TRUE(said(sd, "nut"));  // 600 lines look like BT.709
    EXPECT_FALSE(said(hd, "nut"));
    EXPECT_TRUE(said(full, "nut"));
    EXPECT_FALSE(said(full, "y4m"));  // which says the range
    EXPECT_TRUE(said(hd + " -color_trc smpte2084", "y4m"));
    EXPECT_FALSE(said(sd, "mkv"));
}

TEST(video_pipes, a_closed_pipe_is_one_sentence) {
    const Scratch scratch;
    ClipSpec spec;
    spec.codec = "wrapped_avframe";
    spec.codec_options = {};
    spec.sound = false;
    make_clip(scratch / "in.y4m", spec);
    shell("(cat " + (scratch / "in.y4m") + " | " + program_path() + " - -o - " + kRest + " 2>" + (scratch / "err") + "; echo $? > " + (scratch / "code") + ") | head -c 1000 > /dev/null");
    EXPECT_EQ(contents(scratch / "code"), "4\n");
    const std::string errors = contents(scratch / "err");
    EXPECT_NE(errors.find("Broken pipe"), std::string::npos) << errors;
}

TEST(video_pipes, a_transport_stream_over_udp_is_enlarged_until_it_goes_quiet) {
    SKIP_UDP_UNDER_THREAD_SANITIZER();
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 75;
    spec.codec_options = {{"preset", "ultrafast"}, {"crf", "20"}, {"g", "10"}, {"bf", "0"}};
    make_clip(scratch / "in.ts", spec);
    const std::string stream = contents(scratch / "in.ts");
    ASSERT_GT(stream.size(), 20000u);

    const int port = 20000 + ::getpid() % 20000;
    Program program({"udp://127.0.0.1:" + std::to_string(port), "-o", scratch / "out.mkv", "-m", model_path("nearest-x2"), "--threads", "1",
                     "--live", "--timeout", "4", "-f"},
                    scratch / "stderr");
    const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_GE(socket, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Sent once, at its own speed, as soon as the program listens.
    char wanted[16];
    std::snprintf(wanted, sizeof wanted, ":%04X ", static_cast<unsigned>(port));
    for (int i = 0; i < 2000 && contents("/proc/net/udp").find(wanted) == std::string::npos; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    for (std::size_t at = 0; at < stream.size(); at += 1316) {
        ::sendto(socket, stream.data() + at, std::min<std::size_t>(1316, stream.size() - at), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
        std::this_thread::sleep_for(std::chrono::microseconds(3'000'000 / (stream.size() / 1316 + 1)));
    }
    ::close(socket);
    const Ran ran = program.wait();
    ASSERT_EQ(ran.code, 0) << ran.errors;
    const SeenClip in = look_at(scratch / "in.ts"), out = look_at(scratch / "out.mkv");
    EXPECT_GT(out.times.size(), 60u) << ran.errors;  // the first frames may pass before the program listens
    EXPECT_EQ(out.width, 192);
    ASSERT_EQ(out.streams.size(), 2u);
    EXPECT_NEAR(out.times.back() - out.times.front(), static_cast<double>(out.times.size() - 1) / 25, 0.002);
    EXPECT_FALSE(fs::exists(scratch / "out.mkv.part"));
}

TEST(video_pipes, an_address_that_does_not_answer_fails) {
    SKIP_UDP_UNDER_THREAD_SANITIZER();
    const Scratch scratch;
    const Ran ran = run(scratch, {"udp://127.0.0.1:19999", "-o", scratch / "out.mkv", "-m", model_path("nearest-x2"), "--timeout", "1"});
    EXPECT_EQ(ran.code, 11) << ran.errors;
    EXPECT_FALSE(fs::exists(scratch / "out.mkv"));
}

TEST(video_pipes, unsafe_protocols_need_a_word_of_consent) {
    Upscaler engine = upscaler("nearest-x2");
    const Scratch scratch;
    VideoOptions options;
    options.notice = [](const std::string&) {};
    const auto refused = enlarge_video(engine, "gopher://127.0.0.1/x", scratch / "out.mkv", options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::argument);
    EXPECT_NE(refused.error().message.find("--allow-protocol gopher"), std::string::npos) << refused.error().message;
}

TEST(video_pipes, a_playlist_file_cannot_reach_the_network) {
    const Scratch scratch;
    std::ofstream(scratch / "list.m3u8") << "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n";
    Upscaler engine = upscaler("nearest-x2");
    VideoOptions options;
    options.notice = [](const std::string&) {};
    const auto refused = enlarge_video(engine, scratch / "list.m3u8", scratch / "out.mkv", options);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().code, Errc::network) << refused.error().message;
}

}  // namespace
}  // namespace enlarge::test
