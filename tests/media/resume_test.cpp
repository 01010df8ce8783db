// SPDX-License-Identifier: Apache-2.0
// Crashes, full disks, Ctrl-C: what was finished stays finished, and the end is the same.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

// With short segments.
std::vector<std::string> line(const std::string& in, const std::string& out, std::initializer_list<const char*> more = {}) {
    auto list = words(in, out, {"--segment-frames", "7", "--preset", "veryfast"});
    list.insert(list.end(), more.begin(), more.end());
    return list;
}

// Runs until `file` of the work folder is there, and sends a signal.
Ran stopped_at(const Scratch& scratch, const std::vector<std::string>& list, const std::string& file, int signal) {
    Program program(list, scratch / "stderr");
    while (program.running() && !fs::exists(list[2] + ".enlarge/" + file)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    program.signal(signal);
    return program.wait();
}

bool half_output(const std::string& out) { return fs::exists(out); }

TEST(resume, thirty_kills_at_random_moments_leave_the_same_file) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 120;
    spec.width = 128;
    spec.height = 96;
    spec.variable_rate = true;
    spec.chapters = spec.subtitles = true;
    make_clip(scratch / "in.mkv", spec);
    const auto start = std::chrono::steady_clock::now();
    const Ran whole = run(scratch, line(scratch / "in.mkv", scratch / "whole.mkv"));
    ASSERT_EQ(whole.code, 0) << whole.errors;
    const double length = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const SeenClip expected = look_at(scratch / "whole.mkv");
    ASSERT_EQ(expected.times.size(), 120u);

    std::mt19937 random(20250);
    int kills = 0, continued = 0, files = 0;
    while (kills < 30) {
        const std::string out = scratch / ("out" + std::to_string(files++) + ".mkv");
        bool finished = false;
        // Up to 12 kills of one output, then it may end by itself.
        for (int attempt = 0; !finished; ++attempt) {
            Program program(line(scratch / "in.mkv", out), scratch / "stderr");
            if (attempt < 12 && kills < 30) {
                std::this_thread::sleep_for(std::chrono::duration<double>(std::uniform_real_distribution<>(0.02, length * 0.9)(random)));
                program.signal(SIGKILL);
            }
            const Ran ran = program.wait();
            if (ran.code == -SIGKILL) {
                ++kills;
                // The final name belongs to a whole file only, also when the kill comes right after it was given.
                if (fs::exists(out)) {
                    EXPECT_EQ(contents(out), contents(scratch / "whole.mkv")) << "after kill " << kills;
                    fs::remove_all(out + ".enlarge");  // the kill may have come while the journal was being removed
                    finished = true;
                }
            } else {
                ASSERT_EQ(ran.code, 0) << ran.errors;
                finished = true;
            }
            if (ran.errors.find("continuing after") != std::string::npos) ++continued;
        }
        const SeenClip seen = look_at(out);
        EXPECT_EQ(seen.packets, expected.packets);
        EXPECT_EQ(seen.streams, expected.streams);
        EXPECT_EQ(contents(out), contents(scratch / "whole.mkv"));
        EXPECT_FALSE(fs::exists(out + ".enlarge"));
    }
    EXPECT_GE(kills, 30);
    EXPECT_GT(continued, 5) << "too few runs found work to continue; the test tests nothing";
}

TEST(resume, refuses_other_options_and_another_input_and_says_what_differs) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 90;
    make_clip(scratch / "in.mp4", spec);
    const std::string out = scratch / "out.mp4";
    // Leaves a journal behind: killed once the first segments are closed.
    ASSERT_EQ(stopped_at(scratch, line(scratch / "in.mp4", out), "segment-000003", SIGKILL).code, -SIGKILL) << "ended before it could be killed";
    Ran ran = run(scratch, line(scratch / "in.mp4", out, {"--crf", "30"}));
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("crf 17"), std::string::npos) << ran.errors;
    EXPECT_NE(ran.errors.find("crf 30"), std::string::npos) << ran.errors;
    EXPECT_NE(ran.errors.find("--restart"), std::string::npos) << ran.errors;

    ran = run(scratch, line(scratch / "in.mp4", out, {"--from", "1"}));
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("--from was 0 and is 1"), std::string::npos) << ran.errors;

    std::vector<std::string> other = line(scratch / "in.mp4", out);
    other[4] = model_path("identity-x1");
    ran = run(scratch, other);
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("the network"), std::string::npos) << ran.errors;

    spec.frames = 91;
    make_clip(scratch / "in.mp4", spec);
    ran = run(scratch, line(scratch / "in.mp4", out));
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("the input's contents"), std::string::npos) << ran.errors;
    EXPECT_FALSE(half_output(out));

    ran = run(scratch, line(scratch / "in.mp4", out, {"--restart"}));
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_EQ(look_at(out).times.size(), 91u);
}

TEST(resume, a_damaged_segment_is_made_again) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 90;
    make_clip(scratch / "in.mp4", spec);
    ASSERT_EQ(run(scratch, line(scratch / "in.mp4", scratch / "whole.mp4")).code, 0);
    const std::string out = scratch / "out.mp4";
    ASSERT_EQ(stopped_at(scratch, line(scratch / "in.mp4", out), "segment-000003", SIGKILL).code, -SIGKILL);
    {
        std::fstream file(out + ".enlarge/segment-000001", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(200);
        file.put('\x55');
        file.put('\x66');
    }
    const Ran ran = run(scratch, line(scratch / "in.mp4", out));
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_NE(ran.errors.find("damaged"), std::string::npos) << ran.errors;
    EXPECT_EQ(contents(out), contents(scratch / "whole.mp4"));
}

TEST(resume, interrupt_ends_at_a_segment_border_and_the_same_command_continues) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 150;
    make_clip(scratch / "in.mkv", spec);
    ASSERT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "whole.mkv")).code, 0);
    const std::string out = scratch / "out.mkv";
    const Ran ran = stopped_at(scratch, line(scratch / "in.mkv", out), "segment-000001", SIGINT);
    ASSERT_EQ(ran.code, 130) << ran.errors;
    EXPECT_NE(ran.errors.find("the same command continues"), std::string::npos) << ran.errors;
    EXPECT_FALSE(half_output(out));
    EXPECT_TRUE(fs::exists(out + ".enlarge/journal"));
    for (const auto& entry : fs::directory_iterator(out + ".enlarge")) EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    const Ran again = run(scratch, line(scratch / "in.mkv", out));
    EXPECT_EQ(again.code, 0) << again.errors;
    EXPECT_NE(again.errors.find("continuing after"), std::string::npos) << again.errors;
    EXPECT_EQ(contents(out), contents(scratch / "whole.mkv"));
}

TEST(resume, a_second_interrupt_stops_at_once) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 400;
    spec.width = 320;
    spec.height = 240;
    spec.sound = false;
    make_clip(scratch / "in.mkv", spec);
    const std::string out = scratch / "out.mkv";
    std::vector<std::string> list = line(scratch / "in.mkv", out);
    list[4] = "swift-x4";
    list[10] = "100000";  // one endless segment: the first Ctrl-C would take long
    Program program(list, scratch / "stderr");
    while (program.running() && !fs::exists(out + ".enlarge/segment-000000.part")) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    program.signal(SIGINT);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ASSERT_TRUE(program.running()) << "the first interrupt must let the segment end";
    const auto start = std::chrono::steady_clock::now();
    program.signal(SIGINT);
    const Ran ran = program.wait();
    EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 2.0);
    EXPECT_TRUE(ran.code == 130 || ran.code == -SIGINT) << ran.code;
    EXPECT_FALSE(half_output(out));
}

TEST(resume, a_full_disk_is_one_sentence_and_work_continues_when_there_is_room) {
    const Scratch scratch;
    const std::string disk = scratch / "disk";
    fs::create_directories(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=400k") != 0)
        GTEST_SKIP() << "SKIPPED: a small tmpfs cannot be mounted here (" << std::strerror(errno) << "); needs root";
    struct Unmount {
        std::string path;
        ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } unmount{disk};
    ClipSpec spec;
    spec.frames = 120;
    make_clip(scratch / "in.mkv", spec);
    auto list = line(scratch / "in.mkv", disk + "/out.mkv", {"--crf", "1"});
    const Ran full = run(scratch, list);
    EXPECT_EQ(full.code, 4) << full.errors;
    EXPECT_NE(full.errors.find("No space left"), std::string::npos) << full.errors;
    EXPECT_FALSE(half_output(disk + "/out.mkv"));
    ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0) << std::strerror(errno);
    const Ran again = run(scratch, list);
    EXPECT_EQ(again.code, 0) << again.errors;
    EXPECT_NE(again.errors.find("continuing after"), std::string::npos) << again.errors;
    auto plain = line(scratch / "in.mkv", scratch / "whole.mkv", {"--crf", "1"});
    ASSERT_EQ(run(scratch, plain).code, 0);
    EXPECT_EQ(contents(disk + "/out.mkv"), contents(scratch / "whole.mkv"));
}

TEST(resume, two_processes_do_not_share_an_output) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 200;
    spec.width = 320;
    spec.height = 240;
    make_clip(scratch / "in.mkv", spec);
    Program first(line(scratch / "in.mkv", scratch / "out.mkv"), scratch / "stderr1");
    while (first.running() && !fs::exists(scratch / "out.mkv.enlarge/journal")) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const Ran second = run(scratch, line(scratch / "in.mkv", scratch / "out.mkv"));
    EXPECT_EQ(second.code, 5) << second.errors;
    EXPECT_NE(second.errors.find("another process"), std::string::npos) << second.errors;
    first.signal(SIGKILL);
    first.wait();
}

}  // namespace
}  // namespace enlarge::test
