// SPDX-License-Identifier: Apache-2.0
// Jobs of many machines: whoever makes the parts, in whatever order, the film is the one that one machine makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

using Words = std::vector<std::string>;

// What decides the bytes; segments are short.
Words options(const Words& more = {}) {
    Words list{"-m", model_path("nearest-x2"), "--precision", "fp32", "--segment-frames", "7", "--preset", "veryfast"};
    list.insert(list.end(), more.begin(), more.end());
    return list;
}

Words joined(Words first, const Words& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

int count(const std::string& text, const std::string& word) {
    int found = 0;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++found;
    return found;
}

struct Farm {
    const Scratch& scratch;
    std::string film, out, job;

    Ran plan(const Words& how, const Words& more = {}) const {
        return run(scratch, joined(joined({"plan", film, "-o", out, "--job", job}, how), options(more)));
    }
    Ran work(const Words& how = {}) const { return run(scratch, joined({"work", job, "--threads", "1"}, how)); }
    Ran join(const Words& how = {}) const { return run(scratch, joined({"join", job}, how)); }
    [[nodiscard]] std::string said(const std::string& command, const Words& how = {}) const {
        const Ran ran = Program(joined({command, job}, how), scratch / "stderr", "", scratch / "stdout").wait();
        return ran.code == 0 ? contents(scratch / "stdout") : ran.errors;
    }
    // What one machine makes.
    [[nodiscard]] std::string alone(const Words& more = {}) const {
        const std::string whole = scratch / ("alone" + fs::path(out).extension().string());
        const Ran ran = run(scratch, joined({film, "-o", whole, "--threads", "1"}, options(more)));
        EXPECT_EQ(ran.code, 0) << ran.errors;
        return contents(whole);
    }
    // All parts in a random order, some twice.
    void make(int tasks, unsigned seed) const {
        std::vector<int> order;
        for (int i = 0; i < tasks; ++i) order.push_back(i);
        std::mt19937 random(seed);
        order.push_back(static_cast<int>(random() % static_cast<unsigned>(tasks)));
        std::shuffle(order.begin(), order.end(), random);
        for (const int task : order) {
            const Ran ran = work({"--task", std::to_string(task)});
            ASSERT_EQ(ran.code, 0) << "task " << task << ": " << ran.errors;
        }
    }
};

Farm farm_of(const Scratch& scratch, const ClipSpec& spec, const char* in = "in.mkv", const char* out = "out.mkv") {
    make_clip(scratch / in, spec);
    return {scratch, scratch / in, scratch / out, scratch / "job"};
}

struct Case {
    const char *in, *out, *codec, *parameters;
    bool variable, from_keys;
};

TEST(farm, the_joined_film_is_the_one_that_one_machine_makes) {
    const char* const kClosed = "keyint=12:scenecut=0:bframes=2";
    const char* const kOpen = "keyint=12:scenecut=0:bframes=3:open-gop=1";
    for (const Case& c : {Case{"in.mkv", "out.mkv", "libx264", kClosed, false, true},
                          Case{"in.mkv", "out.mp4", "libx264", kOpen, true, true},
                          Case{"in.mp4", "out.mkv", "libx264", kOpen, false, true},
                          Case{"in.ts", "out.ts", "libx264", kOpen, false, false}}) {
        const Scratch scratch;
        ClipSpec spec;
        spec.frames = 60;
        spec.codec = c.codec;
        spec.codec_options = {{"preset", "veryfast"}, {"crf", "20"}, {"x264-params", c.parameters}};
        spec.variable_rate = c.variable;
        spec.subtitles = spec.chapters = spec.tags = std::string(c.in) == "in.mkv" && std::string(c.out) == "out.mkv";
        const Farm farm = farm_of(scratch, spec, c.in, c.out);
        const std::string name = std::string(c.in) + " to " + c.out + " " + c.parameters;
        const Ran planned = farm.plan({"--parts", "5"});
        ASSERT_EQ(planned.code, 0) << name << ": " << planned.errors;
        farm.make(5, 7);
        const Ran done = farm.join();
        ASSERT_EQ(done.code, 0) << name << ": " << done.errors;
        EXPECT_TRUE(contents(farm.out) == farm.alone()) << name;
        int from_keys = 0;
        for (int i = 0; i < 5; ++i)
            from_keys += count(contents(farm.job + "/parts/part-00000" + std::to_string(i) + ".json"), "\"key frame\"");
        EXPECT_EQ(from_keys > 2, c.from_keys) << name << ": " << from_keys << " parts began at a key frame";
    }
}

TEST(farm, an_animation_is_one_part_and_other_tasks_have_nothing_to_do) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 20;
    spec.sound = false;
    make_clip(scratch / "in.mkv", spec);
    const Farm farm{scratch, scratch / "in.mkv", scratch / "out.gif", scratch / "job"};
    const Words gif{"-m", model_path("nearest-x2"), "--precision", "fp32"};
    const Words words{"plan", farm.film, "-o", farm.out, "--job", farm.job, "--parts", "3"};
    const Ran planned = run(scratch, joined(words, gif));
    ASSERT_EQ(planned.code, 0) << planned.errors;
    farm.make(3, 3);
    EXPECT_EQ(farm.work({"--task", "3"}).code, 2);
    ASSERT_EQ(farm.join().code, 0);
    const std::string whole = scratch / "whole.gif";
    ASSERT_EQ(run(scratch, joined({farm.film, "-o", whole, "--threads", "1"}, gif)).code, 0);
    EXPECT_TRUE(contents(farm.out) == contents(whole));
}

// Sets a scheduler's variables for one run.
Ran as_task(const Farm& farm, std::initializer_list<std::pair<const char*, const char*>> variables) {
    for (const auto& [name, value] : variables) ::setenv(name, value, 1);
    const Ran ran = farm.work({"--task", "auto"});
    for (const auto& [name, value] : variables) ::unsetenv(name);
    return ran;
}

TEST(farm, schedulers_say_which_task_it_is_and_what_is_missing_is_named) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 42;
    const Farm farm = farm_of(scratch, spec);
    ASSERT_EQ(farm.plan({"--parts", "6"}).code, 0);
    EXPECT_EQ(farm.plan({"--parts", "6"}).code, 5) << "a job is never replaced";
    const Ran none = farm.work({"--task", "auto"});
    EXPECT_EQ(none.code, 2);
    EXPECT_NE(none.errors.find("SLURM_ARRAY_TASK_ID"), std::string::npos) << none.errors;
    EXPECT_EQ(as_task(farm, {{"SLURM_ARRAY_TASK_ID", "1"}, {"SLURM_ARRAY_TASK_MIN", "1"}}).code, 0);
    EXPECT_EQ(as_task(farm, {{"SGE_TASK_ID", "undefined"}, {"JOB_COMPLETION_INDEX", "1"}}).code, 0);
    EXPECT_EQ(as_task(farm, {{"SGE_TASK_ID", "12"}, {"SGE_TASK_FIRST", "10"}}).code, 0);
    EXPECT_EQ(as_task(farm, {{"AWS_BATCH_JOB_ARRAY_INDEX", "3"}}).code, 0);
    EXPECT_EQ(as_task(farm, {{"PBS_ARRAY_INDEX", "x"}}).code, 2);
    const Ran refused = farm.join();
    EXPECT_EQ(refused.code, 3);
    EXPECT_NE(refused.errors.find("2 of 6 parts are missing: 4, 5"), std::string::npos) << refused.errors;
    EXPECT_FALSE(fs::exists(farm.out));
    EXPECT_NE(farm.said("status").find("4 of 6 parts done, 28 of 42 frames"), std::string::npos) << farm.said("status");
    EXPECT_EQ(count(farm.said("status", {"--json"}), "\"state\":\"done\""), 4);
    // What is there is a film: its frames and sound have their times, the job stays as it is.
    ASSERT_EQ(farm.join({"--so-far"}).code, 0);
    EXPECT_EQ(look_at(scratch / "out_so_far.mkv").times.size(), 28u);
    EXPECT_GT(look_at(scratch / "out_so_far.mkv").sound_times.size(), 0u);
    EXPECT_EQ(as_task(farm, {{"PBS_ARRAY_INDEX", "4"}}).code, 0);
    ASSERT_EQ(farm.work().code, 0);
    ASSERT_EQ(farm.join().code, 0);
    EXPECT_TRUE(contents(farm.out) == farm.alone());
}

TEST(farm, refuses_another_input_network_and_arithmetic_and_a_damaged_part) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 30;
    const Farm farm = farm_of(scratch, spec);
    fs::copy_file(model_path("nearest-x2"), scratch / "network.safetensors");
    const Words network{"-m", scratch / "network.safetensors"};
    Words plan = joined({"plan", farm.film, "-o", farm.out, "--job", farm.job, "--parts", "3"}, network);
    ASSERT_EQ(run(scratch, joined(plan, {"--precision", "fp32", "--segment-frames", "7"})).code, 0);
    ASSERT_EQ(farm.work({"--task", "0"}).code, 0);

    Ran ran = farm.work({"--task", "1", "--device", "reference"});
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("does not compute the same bits"), std::string::npos) << ran.errors;
    EXPECT_NE(ran.errors.find("reference"), std::string::npos) << ran.errors;
    EXPECT_EQ(farm.work({"--task", "1", "--device", "reference", "--allow-mixed"}).code, 0);

    spec.still_from = 3;
    make_clip(scratch / "other.mkv", spec);
    ran = farm.work({"--task", "2", "--input", scratch / "other.mkv"});
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("the input's"), std::string::npos) << ran.errors;
    fs::copy_file(model_path("identity-x1"), scratch / "network.safetensors", fs::copy_options::overwrite_existing);
    ran = farm.work({"--task", "2"});
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("the network"), std::string::npos) << ran.errors;
    fs::copy_file(model_path("nearest-x2"), scratch / "network.safetensors", fs::copy_options::overwrite_existing);
    ASSERT_EQ(farm.work({"--task", "2"}).code, 0) << "what was refused counts as no failure";

    std::string part;
    for (const auto& entry : fs::directory_iterator(farm.job + "/parts"))
        if (entry.path().filename().string().rfind("part-000001-", 0) == 0) part = entry.path().string();
    ASSERT_FALSE(part.empty());
    {
        std::fstream file(part, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(300);
        file.put('\x55').put('\x66');
    }
    ran = farm.join();
    EXPECT_EQ(ran.code, 6) << ran.errors;
    EXPECT_NE(ran.errors.find("--task 1 makes it anew"), std::string::npos) << ran.errors;
    ASSERT_EQ(farm.work({"--task", "1"}).code, 0);
    ASSERT_EQ(farm.join().code, 0);
    const Words alone{farm.film, "-o", scratch / "alone.mkv", "--precision", "fp32", "--segment-frames", "7"};
    ASSERT_EQ(run(scratch, joined(alone, network)).code, 0);
    EXPECT_TRUE(contents(farm.out) == contents(scratch / "alone.mkv"));
}

TEST(farm, a_part_that_failed_three_times_is_given_up_and_named) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 28;
    const Farm farm = farm_of(scratch, spec);
    ASSERT_EQ(farm.plan({"--parts", "4"}).code, 0);
    fs::create_directories(farm.job + "/parts/part-000002.json/in the way");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(farm.work({"--task", "2"}).code, 4);
    const Ran rest = farm.work();
    EXPECT_EQ(rest.code, 20) << rest.errors;
    EXPECT_NE(rest.errors.find("given up after three failures: parts 2"), std::string::npos) << rest.errors;
    EXPECT_EQ(count(farm.said("status", {"--json"}), "\"state\":\"done\""), 3);
    EXPECT_EQ(count(farm.said("status", {"--json"}), "\"state\":\"given up\""), 1);
    EXPECT_EQ(count(contents(farm.job + "/logs/part-000002.log"), "failed: "), 3);
    EXPECT_NE(farm.join().code, 0);
    fs::remove_all(farm.job + "/parts/part-000002.json");
    const Ran named = farm.join();
    EXPECT_NE(named.errors.find("part 2 failed 3 times"), std::string::npos) << named.errors;
    EXPECT_EQ(farm.work({"--retry"}).code, 0);
    ASSERT_EQ(farm.join().code, 0);
    EXPECT_TRUE(contents(farm.out) == farm.alone());
}

TEST(farm, workers_that_are_killed_lose_their_parts_to_others) {
    const char* const asked = std::getenv("ENLARGE_FARM_KILLS");
    const int wanted = asked ? std::max(1, std::atoi(asked)) : 4;
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = asked ? 420 : 105;
    spec.width = 160;
    spec.height = 96;
    const Farm farm = farm_of(scratch, spec);
    std::mt19937 random(11);
    int kills = 0;
    for (int round = 0; kills < wanted; ++round) {
        ASSERT_LT(round, wanted * 4) << "workers end before they can be killed";
        fs::remove_all(farm.job);
        fs::remove(farm.out);
        ASSERT_EQ(farm.plan({"--parts", asked ? "30" : "8", "--lease", "1"}).code, 0);
        const auto begin = [&](int i) {
            return std::make_unique<Program>(Words{"work", farm.job, "--threads", "1"}, scratch / std::to_string(i));
        };
        int number = 0;
        std::vector<std::unique_ptr<Program>> workers;
        for (; number < 3; ++number) workers.push_back(begin(number));
        for (bool alive = true; alive && kills < wanted;) {
            const auto pause = std::chrono::milliseconds(100 + random() % 900);
            std::this_thread::sleep_for(pause);
            auto& worker = workers[random() % workers.size()];
            alive = worker->running();
            if (!alive) break;
            worker->signal(SIGKILL);
            if (worker->wait().code == -SIGKILL) ++kills;
            worker = begin(number++);
        }
        for (auto& worker : workers) {
            const Ran ran = worker->wait();
            EXPECT_EQ(ran.code, 0) << ran.errors;
        }
        ASSERT_EQ(farm.join().code, 0);
        static const std::string alone = farm.alone();
        EXPECT_TRUE(contents(farm.out) == alone) << "after " << kills << " kills";
    }
    EXPECT_GE(kills, wanted);
}

TEST(farm, a_full_disk_is_one_sentence_and_the_part_is_made_when_there_is_room) {
    const Scratch scratch;
    const std::string disk = scratch / "disk";
    const SmallDisk small(disk);
    if (!small.mounted())
        GTEST_SKIP() << "SKIPPED: a small tmpfs cannot be mounted here (" << std::strerror(errno) << "); needs root";
    ClipSpec spec;
    spec.frames = 56;
    spec.width = 160;
    spec.height = 96;
    make_clip(scratch / "in.mkv", spec);
    const Farm farm{scratch, scratch / "in.mkv", scratch / "out.mkv", disk + "/job"};
    const Words large{"--crf", "1"};
    ASSERT_EQ(farm.plan({"--parts", "4"}, large).code, 0);
    const Ran full = farm.work();
    EXPECT_EQ(full.code, 4) << full.errors;
    EXPECT_NE(full.errors.find("No space left"), std::string::npos) << full.errors;
    ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64m"), 0) << std::strerror(errno);
    const Ran read_only = farm.work();
    EXPECT_EQ(read_only.code, 4) << read_only.errors;
    EXPECT_NE(read_only.errors.find("Read-only"), std::string::npos) << read_only.errors;
    ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0) << std::strerror(errno);
    const Ran again = farm.work({"--retry"});
    EXPECT_EQ(again.code, 0) << again.errors;
    ASSERT_EQ(farm.join().code, 0);
    EXPECT_TRUE(contents(farm.out) == farm.alone(large));
}

TEST(farm, what_an_interrupted_film_left_is_a_film_too) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 150;
    make_clip(scratch / "in.mkv", spec);
    const std::string out = scratch / "out.mkv";
    Program program(joined({scratch / "in.mkv", "-o", out, "--threads", "1"}, options()), scratch / "stderr");
    while (program.running() && !fs::exists(out + ".enlarge/segment-000001"))
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    program.signal(SIGINT);
    const Ran ran = program.wait();
    ASSERT_EQ(ran.code, 130) << ran.errors;
    EXPECT_NE(ran.errors.find("enlarge join --so-far " + out + ".enlarge"), std::string::npos) << ran.errors;
    const std::string journal = contents(out + ".enlarge/journal");
    const Ran look = run(scratch, {"join", "--so-far", out + ".enlarge", "-o", scratch / "look.mkv"});
    ASSERT_EQ(look.code, 0) << look.errors;
    const auto times = look_at(scratch / "look.mkv").times;
    EXPECT_GE(times.size(), 14u);
    EXPECT_LT(times.size(), 150u);
    EXPECT_EQ(contents(out + ".enlarge/journal"), journal);
    EXPECT_EQ(run(scratch, {"join", out + ".enlarge"}).code, 2);
    const Ran again = run(scratch, joined({scratch / "in.mkv", "-o", out, "--threads", "1"}, options()));
    EXPECT_EQ(again.code, 0) << again.errors;
    EXPECT_EQ(look_at(out).times.size(), 150u);
}

// As docs/farm.md has it: which formats may begin at a key frame, and that none of them was taken back.
TEST(farm, decoding_from_a_key_frame_gives_the_frames_of_a_whole_decode) {
    SKIP_WITHOUT_FFMPEG();
    const char* const x265 = "-c:v libx265 -x265-params log-level=error:keyint=10";
    for (const auto& [codec, how, file] : {std::tuple{"hevc", x265, "in.mkv"}, std::tuple{"hevc", x265, "in.mp4"},
                                           std::tuple{"vp8", "-c:v libvpx -g 10 -deadline realtime", "in.mkv"},
                                           std::tuple{"vp9", "-c:v libvpx-vp9 -g 10 -deadline realtime", "in.mkv"},
                                           std::tuple{"av1", "-c:v libsvtav1 -g 10 -preset 12", "in.mp4"},
                                           std::tuple{"mjpeg", "-c:v mjpeg -q:v 3", "in.mkv"},
                                           std::tuple{"ffv1", "-c:v ffv1 -g 1", "in.mkv"},
                                           std::tuple{"prores", "-c:v prores_ks", "in.mov"}}) {
        const Scratch scratch;
        const Farm farm{scratch, scratch / file, scratch / "out.mkv", scratch / "job"};
        const std::string picture = "-f lavfi -i testsrc2=size=96x64:rate=25 -frames:v 50 ";
        ASSERT_TRUE(ffmpeg(picture + how + " " + farm.film));
        const Ran planned = farm.plan({"--parts", "4"});
        ASSERT_EQ(planned.code, 0) << codec << ": " << planned.errors;
        EXPECT_GE(count(contents(farm.job + "/job.json"), "\"key frame\""), 3) << codec;
        ASSERT_EQ(farm.work().code, 0) << codec;
        for (int i = 1; i < 4; ++i)
            EXPECT_EQ(count(contents(farm.job + "/parts/part-00000" + std::to_string(i) + ".json"), "\"key frame\""), 1)
                << codec << " in " << file << ", part " << i;
        ASSERT_EQ(farm.join().code, 0) << codec;
        EXPECT_TRUE(contents(farm.out) == farm.alone()) << codec;
    }
}

}  // namespace
}  // namespace enlarge::test
