// SPDX-License-Identifier: Apache-2.0
// Addresses on loopback: HTTP that breaks, HLS, RTSP, Ctrl-C while nothing comes, and what an address may not reach.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

void pause(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Serves files from memory, with ranges. The first answer for `broken` stops after half of it and closes.
class HttpServer {
public:
    explicit HttpServer(std::map<std::string, std::string> files, std::string broken = "") : files_(std::move(files)), broken_(std::move(broken)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(listener_, 8) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
            std::abort();
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~HttpServer() {
        stop_ = true;
        thread_.join();
        ::close(listener_);
    }
    [[nodiscard]] std::string address(const std::string& name) const { return "http://127.0.0.1:" + std::to_string(port_) + "/" + name; }
    [[nodiscard]] int requests() const { return requests_; }

private:
    void serve() {
        while (!stop_) {
            pollfd wait{listener_, POLLIN, 0};
            if (::poll(&wait, 1, 50) != 1) continue;
            const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (peer < 0) continue;
            answer(peer);
            ::close(peer);
        }
    }
    void answer(int peer) {
        std::string request;
        char block[4096];
        while (request.find("\r\n\r\n") == std::string::npos) {
            const ssize_t n = ::recv(peer, block, sizeof block, 0);
            if (n <= 0) return;
            request.append(block, static_cast<std::size_t>(n));
        }
        ++requests_;
        const std::string name = request.substr(5, request.find(' ', 5) - 5);
        const auto file = files_.find(name);
        if (file == files_.end()) return send(peer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        std::size_t from = 0;
        if (const auto range = request.find("Range: bytes="); range != std::string::npos) from = std::strtoul(request.c_str() + range + 13, nullptr, 10);
        from = std::min(from, file->second.size());
        const std::string all = std::to_string(file->second.size());
        std::string body = file->second.substr(from);
        std::string head = from ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(from) + "-" + std::to_string(file->second.size() - 1) + "/" + all + "\r\n"
                                : "HTTP/1.1 200 OK\r\n";
        head += "Accept-Ranges: bytes\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n";
        if (name == broken_ && !cut_) {
            cut_ = true;
            body.resize(body.size() / 2);
        }
        send(peer, head + body);
    }
    static void send(int peer, const std::string& bytes) {
        for (std::size_t at = 0; at < bytes.size();) {
            const ssize_t n = ::send(peer, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
            if (n <= 0) return;
            at += static_cast<std::size_t>(n);
        }
    }

    std::map<std::string, std::string> files_;
    std::string broken_;
    int listener_ = -1, port_ = 0;
    std::atomic<bool> stop_{false};
    std::atomic<int> requests_{0};
    bool cut_ = false;
    std::thread thread_;
};

std::string clip(const Scratch& scratch, const std::string& name, int frames = 50) {
    ClipSpec spec;
    spec.frames = frames;
    spec.codec_options = {{"preset", "ultrafast"}, {"crf", "10"}, {"g", "10"}, {"bf", "0"}};
    make_clip(scratch / name, spec);
    return contents(scratch / name);
}

TEST(live, a_broken_http_connection_is_taken_up_where_it_broke) {
    const Scratch scratch;
    const HttpServer server({{"a.mkv", clip(scratch, "a.mkv")}}, "a.mkv");
    const Ran ran = run(scratch, words(server.address("a.mkv"), scratch / "out.mkv"));
    ASSERT_EQ(ran.code, 0) << ran.errors;
    EXPECT_GE(server.requests(), 2) << "the connection was not broken; the test tests nothing";
    EXPECT_EQ(look_at(scratch / "out.mkv").times.size(), 50u);
    EXPECT_EQ(look_at(scratch / "out.mkv").streams.at(1).hash, look_at(scratch / "a.mkv").streams.at(1).hash);
}

TEST(live, an_address_that_is_not_there_is_one_sentence) {
    const Scratch scratch;
    const HttpServer server({});
    const Ran ran = run(scratch, words(server.address("nothing.mkv"), scratch / "out.mkv", {"--timeout", "3"}));
    EXPECT_EQ(ran.code, 11) << ran.errors;
    EXPECT_NE(ran.errors.find("404"), std::string::npos) << ran.errors;
    EXPECT_FALSE(fs::exists(scratch / "out.mkv"));
}

TEST(live, an_hls_stream_is_enlarged_whole) {
    const Scratch scratch;
    const std::string a = clip(scratch, "a.ts");
    ClipSpec spec;
    const HttpServer server({{"list.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"}, {"a.ts", a}});
    const Ran ran = run(scratch, words(server.address("list.m3u8"), scratch / "out.mkv", {"--live"}));
    ASSERT_EQ(ran.code, 0) << ran.errors;
    const SeenClip seen = look_at(scratch / "out.mkv");
    EXPECT_EQ(seen.times.size(), 50u);
    EXPECT_EQ(seen.streams.size(), 2u);
}

TEST(live, a_playlist_from_an_address_cannot_reach_files) {
    const Scratch scratch;
    clip(scratch, "secret.ts");
    for (const std::string& target : {"file://" + (scratch / "secret.ts"), scratch / "secret.ts", "concat:" + (scratch / "secret.ts"), "subfile,,start,0,end,0,,:" + (scratch / "secret.ts")}) {
        const HttpServer server({{"list.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n" + target + "\n#EXT-X-ENDLIST\n"}});
        const Ran ran = run(scratch, words(server.address("list.m3u8"), scratch / "out.mkv", {"--timeout", "2"}));
        EXPECT_NE(ran.code, 0) << target;
        EXPECT_FALSE(fs::exists(scratch / "out.mkv")) << target;
    }
}

TEST(live, names_that_are_protocols_in_disguise_are_files_that_are_not_there) {
    const Scratch scratch;
    clip(scratch, "a.ts");
    for (const std::string& name : {"concat:" + (scratch / "a.ts"), "subfile,,start,0,end,9000,,:" + (scratch / "a.ts"), "async:" + (scratch / "a.ts"), std::string("pipe:0")}) {
        const Ran ran = run(scratch, words(name, scratch / "out.mkv", {"--container", "mkv"}));
        EXPECT_EQ(ran.code, 3) << name << ": " << ran.errors;
    }
    for (const char* address : {"file:///etc/passwd", "concat://x", "ftp://127.0.0.1/x", "unix:///tmp/x"}) {
        const Ran ran = run(scratch, words(address, scratch / "out.mkv"));
        EXPECT_EQ(ran.code, 2) << address << ": " << ran.errors;
        EXPECT_NE(ran.errors.find("--allow-protocol"), std::string::npos) << ran.errors;
    }
}

TEST(live, an_interrupt_ends_the_wait_for_a_silent_address) {
    SKIP_UDP_UNDER_THREAD_SANITIZER();
    const Scratch scratch;
    const int port = 20000 + (::getpid() * 7) % 20000;
    Program program(words("udp://127.0.0.1:" + std::to_string(port), scratch / "out.mkv", {"--timeout", "60"}), scratch / "stderr");
    char wanted[16];
    std::snprintf(wanted, sizeof wanted, ":%04X ", static_cast<unsigned>(port));
    for (int i = 0; i < 3000 && contents("/proc/net/udp").find(wanted) == std::string::npos; ++i) pause(10);
    pause(300);
    ASSERT_TRUE(program.running());
    program.signal(SIGINT);
    const Ran ran = program.wait();
    EXPECT_EQ(ran.code, 130) << ran.errors;  // 11 had it waited for the address
    EXPECT_FALSE(fs::exists(scratch / "out.mkv"));
    EXPECT_FALSE(fs::exists(scratch / "out.mkv.part"));
}

TEST(live, an_interrupt_ends_a_pipe_that_has_gone_silent_and_what_came_is_whole) {
    const Scratch scratch;
    clip(scratch, "in.ts");
    const std::string fifo = scratch / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    std::atomic<bool> done{false};
    std::thread writer([&] {  // sends all, then neither sends nor closes
        const int fd = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
        const std::string bytes = contents(scratch / "in.ts");
        for (std::size_t at = 0; at < bytes.size();) {
            const ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
            if (n <= 0) break;
            at += static_cast<std::size_t>(n);
        }
        while (!done) pause(20);
        ::close(fd);
    });
    Program program(words("-", scratch / "out.mkv", {"--live"}), scratch / "stderr", fifo);
    for (int i = 0; i < 3000 && program.running() && !(fs::exists(scratch / "out.mkv.part") && fs::file_size(scratch / "out.mkv.part") > 4000); ++i) pause(10);
    ASSERT_TRUE(program.running());
    pause(500);
    program.signal(SIGINT);
    const Ran ran = program.wait();  // the pipe stays open until then
    EXPECT_EQ(ran.code, 0) << ran.errors;
    done = true;
    writer.join();
    const SeenClip seen = look_at(scratch / "out.mkv");
    EXPECT_GT(seen.times.size(), 30u);
    EXPECT_EQ(seen.width, 192);
}

TEST(live, late_frames_are_dropped_only_when_asked_and_times_stay_true) {
    const Scratch scratch;
    clip(scratch, "in.ts", 40);
    // The whole clip comes at once, so nothing is late; then with a network too slow for it, frames are.
    const HttpServer server({{"in.ts", contents(scratch / "in.ts")}});
    Upscaler engine = upscaler("nearest-x2");
    VideoOptions options;
    options.notice = [](const std::string&) {};
    options.live = true;
    const auto all = enlarge_video(engine, server.address("in.ts"), scratch / "all.mkv", options);
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(all->dropped_frames, 0);
    EXPECT_EQ(all->frames_out, 40);
    options.drop_after_s = 0.05;
    options.filter_after = "setpts=PTS,realtime=speed=0.25";  // an encoder a quarter as fast as the clip
    const auto some = enlarge_video(engine, server.address("in.ts"), scratch / "some.mkv", options);
    ASSERT_TRUE(some) << some.error().message;
    EXPECT_GT(some->dropped_frames, 5);
    EXPECT_GT(some->frames_out, 3);
    EXPECT_EQ(some->frames_out + some->dropped_frames, 40);
    const SeenClip in = look_at(scratch / "all.mkv"), out = look_at(scratch / "some.mkv");
    for (const double time : out.times)
        EXPECT_TRUE(std::any_of(in.times.begin(), in.times.end(), [&](double t) { return std::abs(t - time) < 0.0011; })) << time;
}

TEST(live, rtsp_is_taken_from_a_sender) {
    if (std::system("ffmpeg -version > /dev/null 2>&1") != 0) GTEST_SKIP() << "SKIPPED: the ffmpeg program, which sends the stream, is not installed";
    const Scratch scratch;
    clip(scratch, "in.mp4", 75);
    const std::string address = "rtsp://127.0.0.1:" + std::to_string(20000 + (::getpid() * 13) % 20000) + "/x";
    Program program(words(address, scratch / "out.mkv", {"--live", "--timeout", "20", "--input-option", "rtsp_flags=listen"}), scratch / "stderr");
    int sent = -1;
    for (int i = 0; i < 40 && sent != 0 && program.running(); ++i) {
        pause(250);
        sent = std::system(("ffmpeg -v quiet -nostdin -re -i " + (scratch / "in.mp4") + " -c copy -f rtsp -rtsp_transport tcp " + address).c_str());
    }
    EXPECT_EQ(sent, 0);
    const Ran ran = program.wait();
    ASSERT_EQ(ran.code, 0) << ran.errors;
    const SeenClip seen = look_at(scratch / "out.mkv");
    EXPECT_GT(seen.times.size(), 60u);
    EXPECT_EQ(seen.streams.size(), 2u);
}

}  // namespace
}  // namespace enlarge::test
