// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a job's folder, its names and its disk: one sentence, an exit code, and nothing lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

using Words = std::vector<std::string>;

Words joined(Words first, const Words& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// A job of three parts.
struct Film {
    const Scratch& scratch;
    std::string in = scratch / "in.mkv", out = scratch / "out.mkv", job = scratch / "job";

    void clip(int frames = 30) const {
        ClipSpec spec;
        spec.frames = frames;
        make_clip(in, spec);
    }
    [[nodiscard]] Words plan_words() const {
        return {"plan",
                in,
                "-o",
                out,
                "--job",
                job,
                "-m",
                model_path("nearest-x2"),
                "--precision",
                "fp32",
                "--segment-frames",
                "10",
                "--parts",
                "3"};
    }
    Ran plan(const Words& more = {}) const { return run(scratch, joined(plan_words(), more)); }
    Ran work(const Words& more = {}) const { return run(scratch, joined({"work", job}, more)); }
    Ran join(const Words& more = {}) const { return run(scratch, joined({"join", job}, more)); }
};

// One line for people, and this exit code.
void expect_sentence(const Ran& ran, int code, const std::string& words) {
    EXPECT_EQ(ran.code, code) << ran.errors;
    EXPECT_NE(ran.errors.find(words), std::string::npos) << ran.errors;
    const auto said = ran.errors.find("enlarge: note:") == std::string::npos ? ran.errors : std::string();
    EXPECT_LE(std::count(said.begin(), said.end(), '\n'), 1) << ran.errors;
}

TEST(farm, what_is_no_job_is_said_so) {
    const Scratch scratch;
    const Film film{scratch};
    film.clip();
    for (const char* command : {"work", "join", "status"}) {
        expect_sentence(run(scratch, {command, film.in}), 2,
                        "a file; the folder that `enlarge plan` made was expected");
        expect_sentence(run(scratch, {command, scratch / "nowhere"}), 3, "no job is there");
    }
    Film file{scratch};
    file.job = film.in;
    expect_sentence(file.plan({"--quiet"}), 2, "a job is a folder");
    file.job = "";
    expect_sentence(file.plan({"--quiet"}), 2, "a job is a folder");
    EXPECT_GT(fs::file_size(film.in), 1000u);
}

TEST(farm, damaged_texts_are_named_with_what_helps) {
    const Scratch scratch;
    const Film film{scratch};
    film.clip();
    ASSERT_EQ(film.plan().code, 0);
    ASSERT_EQ(film.work().code, 0);
    const std::string text = contents(film.job + "/job.json");
    const auto with_job = [&](const std::string& changed) {
        std::ofstream(film.job + "/job.json", std::ios::binary) << changed;
        for (const char* command : {"work", "join", "status"}) {
            const Ran ran = run(scratch, {command, film.job});
            EXPECT_GE(ran.code, 6) << changed << ": " << ran.errors;
            EXPECT_LE(ran.code, 7) << changed << ": " << ran.errors;
            EXPECT_NE(ran.errors.find("job.json"), std::string::npos) << ran.errors;
        }
    };
    for (const std::size_t size : {std::size_t{0}, text.size() / 2, text.size() - 3}) with_job(text.substr(0, size));
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"\"enlarge_job\": 1", "\"enlarge_job\": 2"},
                                   {"\"count\": 30", "\"count\": -1"},
                                   {"\"count\": 30", "\"count\": 1e300"},
                                   {"\"segment_frames\": 10", "\"segment_frames\": 0"},
                                   {"\"lease_s\": 300.0", "\"lease_s\": 1e300"},
                                   {"\"tasks\": 3", "\"tasks\": \"3\""},
                                   {"\"first\": 10", "\"first\": 11"}}) {
        std::string changed = text;
        ASSERT_NE(changed.find(from), std::string::npos) << from;
        with_job(changed.replace(changed.find(from), from.size(), to));
    }
    std::ofstream(film.job + "/job.json", std::ios::binary) << text;

    fs::resize_file(film.job + "/parts/part-000001.json", 50);
    expect_sentence(film.join({"--quiet"}), 6, "--task 1 makes it anew");
    ASSERT_EQ(film.work({"--task", "1"}).code, 0);
    fs::copy_file(film.job + "/parts/part-000002.json", film.job + "/parts/part-000001.json",
                  fs::copy_options::overwrite_existing);
    expect_sentence(film.join({"--quiet"}), 6, "says that it is part 2; `enlarge work` with --task 1 makes it anew");
    ASSERT_EQ(film.work({"--task", "1"}).code, 0);
    fs::resize_file(film.job + "/frames", 100);
    expect_sentence(film.work({"--quiet"}), 6, "frames: not the list that job.json names");
}

TEST(farm, an_input_that_is_gone_is_named) {
    const Scratch scratch;
    const Film film{scratch};
    film.clip();
    ASSERT_EQ(film.plan().code, 0);
    fs::rename(film.in, scratch / "moved.mkv");
    expect_sentence(film.work({"--quiet"}), 3, "in.mkv: No such file or directory; --input says where");
    ASSERT_EQ(film.work({"--input", scratch / "moved.mkv"}).code, 0);
    expect_sentence(film.join({"--quiet"}), 3, "in.mkv: No such file or directory; --input says where");
    EXPECT_EQ(film.join({"--input", scratch / "moved.mkv"}).code, 0);
}

TEST(farm, the_output_keeps_what_its_name_says) {
    const Scratch scratch;
    const Film film{scratch};
    film.clip();
    ASSERT_EQ(film.plan().code, 0);
    ASSERT_EQ(film.work().code, 0);
    expect_sentence(film.join({"--quiet", "-o", scratch / "x.mp4"}), 2, "a name that ends in '.mkv'");
    expect_sentence(film.join({"--quiet", "-f", "-o", film.job + "/job.json"}), 2, "a name that ends in '.mkv'");
    expect_sentence(film.join({"--quiet", "-f", "-o", film.in}), 2, "the output is the input");
    std::ofstream(film.out) << "mine";
    expect_sentence(film.join({"--quiet"}), 5, "there already");
    EXPECT_EQ(contents(film.out), "mine");
    EXPECT_EQ(film.join({"-o", scratch / "x.mkv"}).code, 0);
}

// Whatever is in a name, and wherever the folder goes.
TEST(farm, names_of_all_kinds_and_a_folder_that_moves) {
    const Scratch scratch;
    const std::string at = scratch / "a 'b' \"c\"\n$(d)";
    fs::create_directories(at);
    Film film{scratch};
    film.in = at + "/in put.mkv", film.out = at + "/-out\nput.mkv", film.job = at + "/job;%d";
    film.clip();
    ASSERT_EQ(film.plan().code, 0);
    ASSERT_EQ(film.work({"--task", "0"}).code, 0);
    fs::rename(at, scratch / "elsewhere");
    film.job = scratch / "elsewhere/job;%d";
    ASSERT_EQ(film.work().code, 0);
    ASSERT_EQ(film.join().code, 0);
    EXPECT_TRUE(fs::exists(scratch / "elsewhere/-out\nput.mkv"));
}

TEST(farm, two_that_plan_or_join_at_once_do_not_mix) {
    const Scratch scratch;
    const Film film{scratch};
    film.clip();
    Program one(film.plan_words(), scratch / "one"), two(film.plan_words(), scratch / "two");
    const Ran first = one.wait(), second = two.wait();
    EXPECT_EQ(first.code + second.code, 5) << first.errors << second.errors;
    ASSERT_EQ(film.work().code, 0);
    Program join_one({"join", film.job}, scratch / "one"), join_two({"join", film.job}, scratch / "two");
    const Ran joined_one = join_one.wait(), joined_two = join_two.wait();
    EXPECT_TRUE(joined_one.code == 0 || joined_two.code == 0) << joined_one.errors << joined_two.errors;
    const std::string whole = contents(film.out);
    fs::remove(film.out);
    ASSERT_EQ(film.join().code, 0);
    EXPECT_TRUE(contents(film.out) == whole);
}

TEST(farm, no_room_for_the_plan_or_the_film_loses_nothing) {
    const Scratch scratch;
    const SmallDisk small(scratch / "disk");
    if (!small.mounted())
        GTEST_SKIP() << "SKIPPED: a small tmpfs cannot be mounted here (" << std::strerror(errno) << "); needs root";
    Film film{scratch};
    film.clip(60);
    std::ofstream(scratch / "disk/ballast") << std::string(396 << 10, 'x');
    film.job = scratch / "disk/job";
    const Ran planned = film.plan({"--quiet"});
    EXPECT_EQ(planned.code, 4) << planned.errors;
    EXPECT_FALSE(fs::exists(film.job + "/job.json"));
    fs::remove_all(film.job);
    film.job = scratch / "job", film.out = scratch / "disk/out.mkv";
    ASSERT_EQ(film.plan({"--crf", "1"}).code, 0);
    ASSERT_EQ(film.work().code, 0);
    const Ran full = film.join({"--quiet"});
    EXPECT_EQ(full.code, 4) << full.errors;
    EXPECT_EQ(std::distance(fs::directory_iterator(scratch / "disk"), fs::directory_iterator()), 1)
        << "only the ballast";
    ASSERT_EQ(::mount("tmpfs", (scratch / "disk").c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64m"), 0);
    const Ran read_only = film.join({"--quiet"});
    EXPECT_EQ(read_only.code, 4) << read_only.errors;
    ASSERT_EQ(::mount("tmpfs", (scratch / "disk").c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
    EXPECT_EQ(film.join().code, 0);
}

}  // namespace
}  // namespace enlarge::test
