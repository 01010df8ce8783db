// SPDX-License-Identifier: Apache-2.0
// Crashes, full disks, Ctrl-C: what was finished stays finished, and the end is the same.
#include <algorithm>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

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
    auto first = line(scratch / "in.mp4", out, {"--crf", "17", "--to", "60"});
    ASSERT_EQ(stopped_at(scratch, first, "segment-000003", SIGKILL).code, -SIGKILL) << "ended before it could be killed";
    Ran ran = run(scratch, line(scratch / "in.mp4", out, {"--crf", "30"}));
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("crf 17"), std::string::npos) << ran.errors;
    EXPECT_NE(ran.errors.find("crf 30"), std::string::npos) << ran.errors;
    EXPECT_NE(ran.errors.find("--restart"), std::string::npos) << ran.errors;

    ran = run(scratch, line(scratch / "in.mp4", out, {"--from", "1"}));
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("--from was 0 and is 1"), std::string::npos) << ran.errors;

    // Numbers as they were given, not as they are printed.
    const std::pair<std::vector<const char*>, const char*> close[] = {
        {{"--crf", "17.04", "--to", "60"}, "--crf was 17 and is 17.04"},
        {{"--crf", "17", "--to", "60.0000001"}, "--to was 60 and is 60.0000001"},
        {{"--crf", "17", "--to", "60", "--from", "0.0000001"}, "--from was 0 and is 1e-07"},
        {{"--crf", "17", "--to", "60", "--codec-threads", "3"}, "--codec-threads was 8 and is 3"},
        {{"--crf", "17", "--to", "60", "--encoder-option", "x264-params=lookahead-threads=1"}, "the encoder's own parameters was"},
    };
    for (const auto& [options, said] : close) {
        auto list = line(scratch / "in.mp4", out);
        list.insert(list.end(), options.begin(), options.end());
        ran = run(scratch, list);
        EXPECT_EQ(ran.code, 5) << said << ": " << ran.errors;
        EXPECT_NE(ran.errors.find(said), std::string::npos) << ran.errors;
    }

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
    program.signal(SIGINT);
    const Ran ran = program.wait();
    EXPECT_TRUE(ran.code == 130 || ran.code == -SIGINT) << ran.code;
    EXPECT_FALSE(fs::exists(out + ".enlarge/segment-000000")) << "the segment was worked to its end";
    EXPECT_FALSE(half_output(out));
}

TEST(resume, a_full_disk_is_one_sentence_and_work_continues_when_there_is_room) {
    const Scratch scratch;
    const std::string disk = scratch / "disk";
    const SmallDisk small(disk);
    if (!small.mounted())
        GTEST_SKIP() << "SKIPPED: a small tmpfs cannot be mounted here (" << std::strerror(errno) << "); needs root";
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

// What must not matter: how many processors there are, and what freed memory holds.
class Surroundings {
public:
    Surroundings(bool one_processor, const char* perturb) {
        ::sched_getaffinity(0, sizeof before_, &before_);
        if (one_processor) {
            cpu_set_t one;
            CPU_ZERO(&one);
            int first = 0;
            while (!CPU_ISSET(first, &before_)) ++first;
            CPU_SET(first, &one);
            ::sched_setaffinity(0, sizeof one, &one);
        }
        ::setenv("MALLOC_PERTURB_", perturb, 1);
    }
    ~Surroundings() {
        ::sched_setaffinity(0, sizeof before_, &before_);
        ::unsetenv("MALLOC_PERTURB_");
    }

private:
    cpu_set_t before_;
};

TEST(resume, the_same_film_on_every_number_of_processors_and_with_any_heap) {
    struct Case {
        const char *name, *codec;
        int width, height;
    };
    for (const Case& c : {Case{"mkv", "libx264", 96, 72}, Case{"mp4", "libx264", 160, 90}, Case{"mkv", "libx265", 96, 72}, Case{"mkv", "libsvtav1", 96, 72},
                          Case{"webm", "libvpx-vp9", 160, 90}, Case{"mpg", "mpeg2video", 160, 90}, Case{"avi", "mpeg4", 160, 90}}) {
        const Scratch scratch;
        ClipSpec spec;
        spec.width = c.width;
        spec.height = c.height;
        spec.frames = 20;
        spec.sound = false;
        spec.tags = spec.chapters = true;  // a date, and what could get random identifiers
        make_clip(scratch / "in.mkv", spec);
        std::string expected;
        int number = 0;
        for (const auto& [one, perturb] : {std::pair{false, "0"}, std::pair{true, "1"}, std::pair{false, "77"}, std::pair{true, "170"}}) {
            const Surroundings surroundings(one, perturb);
            const std::string out = scratch / ("out" + std::to_string(number++) + "." + c.name);
            const Ran ran = run(scratch, words(scratch / "in.mkv", out, {"--video-codec", c.codec, "--segment-frames", "11"}));
            ASSERT_EQ(ran.code, 0) << c.codec << ": " << ran.errors;
            if (expected.empty()) expected = contents(out);
            EXPECT_EQ(contents(out), expected) << c.codec << (one ? ", one processor" : ", all processors") << ", MALLOC_PERTURB_=" << perturb;
        }
        if (c.name != std::string("mkv")) continue;
        const std::pair<std::string, std::string> date{"creation_time", "2020-01-02T03:04:05.000000Z"};
        const auto tags = look_at(scratch / "out0.mkv").tags;
        EXPECT_NE(std::find(tags.begin(), tags.end(), date), tags.end()) << c.codec;
    }
}

TEST(resume, work_begun_on_one_processor_goes_on_with_all_and_gives_the_same_file) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 90;
    make_clip(scratch / "in.mkv", spec);
    ASSERT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "whole.mkv")).code, 0);
    const std::string out = scratch / "out.mkv";
    {
        const Surroundings surroundings(true, "1");
        ASSERT_EQ(stopped_at(scratch, line(scratch / "in.mkv", out), "segment-000003", SIGKILL).code, -SIGKILL);
    }
    const Surroundings surroundings(false, "77");
    const Ran ran = run(scratch, line(scratch / "in.mkv", out));
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_NE(ran.errors.find("continuing after"), std::string::npos) << ran.errors;
    EXPECT_EQ(contents(out), contents(scratch / "whole.mkv"));
}

TEST(resume, what_the_user_asks_of_the_encoder_wins) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 8;
    spec.sound = false;
    make_clip(scratch / "in.mkv", spec);
    const auto settings = [&](std::initializer_list<const char*> more) {
        const std::string out = scratch / "out.mkv";
        const Ran ran = run(scratch, line(scratch / "in.mkv", out, more));
        EXPECT_EQ(ran.code, 0) << ran.errors;
        const std::string bytes = contents(out);  // x264 writes its settings into the first frame
        fs::remove(out);
        return std::string(bytes.c_str() + std::min(bytes.find("options: "), bytes.size()));
    };
    const std::string own = settings({});
    EXPECT_NE(own.find(" threads=8 lookahead_threads=2 "), std::string::npos) << own;
    for (const char* option : {"x264-params=lookahead_threads=1:keyint=33", "x264opts=lookahead-threads=1:keyint=33"}) {
        const std::string asked = settings({"--encoder-option", option, "--codec-threads", "8"});
        EXPECT_NE(asked.find(" threads=8 lookahead_threads=1 "), std::string::npos) << asked;
        EXPECT_NE(asked.find(" keyint=33 "), std::string::npos) << asked;
    }
    const std::string threads = settings({"--encoder-option", "threads=5"});
    EXPECT_NE(threads.find(" threads=5 "), std::string::npos) << threads;
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
