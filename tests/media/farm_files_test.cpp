// SPDX-License-Identifier: Apache-2.0
// Folders of pictures as jobs of many machines: the files are those that one machine makes of the folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

using Words = std::vector<std::string>;

Words joined(Words first, const Words& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// A picture that is no other one's.
void write_ppm(const std::string& path, int width, int height, unsigned seed) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream out(path, std::ios::binary);
    out << "P6\n" << width << ' ' << height << "\n255\n";
    std::mt19937 random(seed);
    for (int i = 0; i < width * height * 3; ++i) out.put(static_cast<char>(random() % 256));
}

// Every file below a folder, by its name in it.
std::map<std::string, std::string> files_of(const std::string& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files[entry.path().lexically_relative(folder)] = contents(entry.path());
    return files;
}

struct Album {
    const Scratch& scratch;
    std::string in = scratch / "in", out = scratch / "out", job = scratch / "job";

    // Nine pictures of several formats and sizes, with names of all kinds, some in subfolders.
    void fill() const {
        const char* const names[] = {"a.ppm",     "b c.ppm",        "line\nend.ppm", "'quoted' \"x\".ppm",
                                     "sub/a.ppm", "sub/deep/d.ppm", "\xc3\xa4.ppm"};
        unsigned seed = 1;
        for (const char* name : names) {
            ++seed;
            write_ppm(in + "/" + name, 20 + static_cast<int>(seed), 17, seed);
        }
        for (const char* name : {"photo.png", "photo2.jpg"})
            ASSERT_EQ(run(scratch, {in + "/a.ppm", "-o", in + "/" + name, "-m", model_path("nearest-x2")}).code, 0);
    }
    static Words network() { return {"-m", model_path("nearest-x2"), "--precision", "fp32"}; }
    Ran plan(const Words& more = {}) const {
        return run(scratch, joined(joined({"plan", in, "-o", out, "--job", job}, network()), more));
    }
    Ran work(const Words& more = {}) const { return run(scratch, joined({"work", job, "--threads", "1"}, more)); }
    Ran join(const Words& more = {}) const { return run(scratch, joined({"join", job}, more)); }
    [[nodiscard]] std::string status(const Words& more = {}) const {
        const Ran ran = Program(joined({"status", job}, more), scratch / "err", "", scratch / "stdout").wait();
        return ran.code == 0 ? contents(scratch / "stdout") : ran.errors;
    }
    // What one machine makes.
    [[nodiscard]] std::map<std::string, std::string> alone(int code = 0, const Words& more = {}) const {
        const std::string whole = scratch / "alone";
        const Ran ran = run(scratch, joined(joined({"-r", in, "-o", whole}, network()), more));
        EXPECT_EQ(ran.code, code) << ran.errors;
        return files_of(whole);
    }
};

TEST(farm, a_folder_of_pictures_becomes_the_files_that_one_machine_makes) {
    const Scratch scratch;
    const Album album{scratch};
    album.fill();
    ClipSpec spec;
    spec.frames = 3;
    make_clip(album.in + "/film.mkv", spec);
    const Ran planned = album.plan({"--parts", "4", "--format", "png"});
    ASSERT_EQ(planned.code, 0) << planned.errors;
    EXPECT_NE(planned.errors.find("film.mkv is left out: "), std::string::npos) << planned.errors;
    fs::remove(album.in + "/film.mkv");
    for (const int part : {2, 0, 2, 3, 0}) ASSERT_EQ(album.work({"--task", std::to_string(part)}).code, 0) << part;
    Ran refused = album.join();
    EXPECT_EQ(refused.code, 3);
    EXPECT_NE(refused.errors.find("1 of 4 parts are missing: 1"), std::string::npos) << refused.errors;
    EXPECT_FALSE(fs::exists(album.out));
    EXPECT_NE(album.status().find("3 of 4 parts done, 7 of 9 files"), std::string::npos) << album.status();
    EXPECT_NE(album.status({"--json"}).find("\"files_done\":7"), std::string::npos) << album.status({"--json"});
    ASSERT_EQ(album.join({"--so-far"}).code, 0);
    const auto some = files_of(album.out + "_so_far");
    EXPECT_EQ(some.size(), 7u);
    ASSERT_EQ(album.work().code, 0);
    ASSERT_EQ(album.join().code, 0);
    const auto whole = album.alone(0, {"--format", "png"});
    EXPECT_EQ(whole.size(), 9u);
    EXPECT_TRUE(files_of(album.out) == whole);
    for (const auto& [name, bytes] : some) EXPECT_TRUE(whole.at(name) == bytes) << name;
}

TEST(farm, a_folder_keeps_each_pictures_format_and_its_options) {
    const Scratch scratch;
    const Album album{scratch};
    album.fill();
    const Words how{"--quality", "60", "--width", "90", "--no-provenance"};
    ASSERT_EQ(album.plan(joined(how, {"--chunk", "0.001"})).code, 0);
    ASSERT_EQ(album.work().code, 0);
    ASSERT_EQ(album.join({"-o", scratch / "elsewhere"}).code, 0);
    EXPECT_TRUE(files_of(scratch / "elsewhere") == album.alone(0, how));
}

TEST(farm, a_picture_that_cannot_be_enlarged_is_named_and_the_others_are_made) {
    const Scratch scratch;
    const Album album{scratch};
    album.fill();
    std::string cut = contents(album.in + "/photo.png");
    cut.resize(cut.size() / 2);
    std::ofstream(album.in + "/cut.png", std::ios::binary) << cut;
    std::ofstream(album.in + "/no.png") << "no picture";
    const Ran planned = album.plan({"--parts", "3"});
    ASSERT_EQ(planned.code, 0) << planned.errors;
    EXPECT_NE(planned.errors.find("no.png is left out: "), std::string::npos) << planned.errors;
    ASSERT_EQ(album.work().code, 0);
    EXPECT_NE(album.status().find("1 files cannot be enlarged"), std::string::npos) << album.status();
    const Ran done = album.join();
    EXPECT_EQ(done.code, 20) << done.errors;
    EXPECT_NE(done.errors.find("cut.png"), std::string::npos) << done.errors;
    EXPECT_TRUE(files_of(album.out) == album.alone(20));
}

TEST(farm, a_picture_that_changed_or_is_gone_is_named_and_damage_is_found) {
    const Scratch scratch;
    const Album album{scratch};
    album.fill();
    ASSERT_EQ(album.plan({"--parts", "9"}).code, 0);
    const std::string kept = contents(album.in + "/a.ppm");
    write_ppm(album.in + "/a.ppm", 21, 17, 99);
    const Ran ran = album.work();
    EXPECT_EQ(ran.code, 20) << ran.errors;
    EXPECT_NE(album.join().errors.find("a.ppm: not the file that was planned"), std::string::npos)
        << album.join().errors;
    std::ofstream(album.in + "/a.ppm", std::ios::binary) << kept;
    EXPECT_EQ(album.work({"--retry"}).code, 0);

    std::string made;
    for (const auto& entry : fs::directory_iterator(album.job + "/parts/part-000004.files")) made = entry.path();
    std::fstream(made, std::ios::in | std::ios::out | std::ios::binary).seekp(40).put('\x55').put('\x66');
    const Ran damaged = album.join();
    EXPECT_EQ(damaged.code, 6) << damaged.errors;
    EXPECT_NE(damaged.errors.find("--task 4 makes it anew"), std::string::npos) << damaged.errors;
    EXPECT_FALSE(fs::exists(album.out));
    ASSERT_EQ(album.work({"--task", "4"}).code, 0);

    // What is there and other than the job's is not touched; a join that was stopped is taken up.
    fs::create_directories(album.out);
    std::ofstream(album.out + "/photo_x2.png") << "mine";
    const Ran taken = album.join();
    EXPECT_EQ(taken.code, 5) << taken.errors;
    EXPECT_EQ(files_of(album.out).size(), 1u);
    fs::remove(album.out + "/photo_x2.png");
    ASSERT_EQ(album.join().code, 0);
    fs::remove(album.out + "/photo_x2.png");
    ASSERT_EQ(album.join().code, 0);
    EXPECT_TRUE(files_of(album.out) == album.alone());
}

TEST(farm, a_worker_of_pictures_that_is_killed_leaves_what_it_finished) {
    const Scratch scratch;
    const Album album{scratch};
    for (unsigned i = 0; i < 40; ++i) write_ppm(album.in + "/" + std::to_string(i) + ".ppm", 200, 160, i);
    ASSERT_EQ(album.plan({"--parts", "2", "--lease", "1"}).code, 0);
    Program worker({"work", album.job, "--threads", "1"}, scratch / "worker");
    std::size_t finished = 0;
    while (worker.running() && finished < 5) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        std::error_code ignored;
        finished = 0;
        for (fs::directory_iterator it(album.job + "/parts/part-000000.files", ignored), end; it != end;
             it.increment(ignored))
            ++finished;
    }
    worker.signal(SIGKILL);
    ASSERT_EQ(worker.wait().code, -SIGKILL) << "it was ready before it could be killed";
    std::map<std::string, fs::file_time_type> dates;
    for (const auto& entry : fs::directory_iterator(album.job + "/parts/part-000000.files"))
        dates[entry.path()] = entry.last_write_time();
    ASSERT_EQ(album.work().code, 0);
    for (const auto& [path, date] : dates) EXPECT_EQ(fs::last_write_time(path), date) << path << " was made twice";
    ASSERT_EQ(album.join().code, 0);
    EXPECT_TRUE(files_of(album.out) == album.alone());
}

TEST(farm, a_folder_is_refused_where_it_cannot_be_the_same) {
    const Scratch scratch;
    const Album album{scratch};
    album.fill();
    Ran ran = album.plan({"--crf", "20"});
    EXPECT_EQ(ran.code, 2) << ran.errors;
    EXPECT_NE(ran.errors.find("--crf is for films, and this is a folder"), std::string::npos) << ran.errors;
    ran = run(scratch, {"plan", album.in, "-o", album.out, "--job", album.job, "--width", "60"});
    EXPECT_EQ(ran.code, 2) << ran.errors;
    EXPECT_NE(ran.errors.find("two networks"), std::string::npos) << ran.errors;
    fs::create_directories(album.out);
    std::ofstream(album.out + "/a_x2.ppm") << "mine";
    ran = album.plan();
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("a_x2.ppm: there already"), std::string::npos) << ran.errors;
    fs::remove_all(album.out);
    fs::create_directories(scratch / "none");
    ran = run(scratch, {"plan", scratch / "none", "-o", album.out, "--job", album.job});
    EXPECT_EQ(ran.code, 3) << ran.errors;
    EXPECT_FALSE(fs::exists(album.job));
    std::ofstream(album.in + "/\xff.ppm", std::ios::binary) << contents(album.in + "/a.ppm");
    ran = album.plan();
    EXPECT_EQ(ran.code, 7) << ran.errors;
    fs::remove(album.in + "/\xff.ppm");

    ASSERT_EQ(album.plan({"--parts", "3"}).code, 0);
    ran = album.work({"--device", "reference"});
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("does not compute the same bits"), std::string::npos) << ran.errors;
    ran = album.work({"--input", scratch / "nowhere"});
    EXPECT_EQ(ran.code, 3) << ran.errors;
    fs::rename(album.in, scratch / "moved");
    EXPECT_EQ(album.work({"--task", "1"}).code, 3);
    EXPECT_EQ(album.status({"--json"}).find("\"failures\":1"), std::string::npos) << "nothing of that is a failure";
    EXPECT_EQ(album.work({"--input", scratch / "moved"}).code, 0);
    std::ofstream(album.job + "/files", std::ios::app) << "[\"a.ppm\",\"../../a.ppm\",1,1,\"\"]\n";
    ran = album.join();
    EXPECT_EQ(ran.code, 6) << ran.errors;
    EXPECT_NE(ran.errors.find("not the list that job.json names"), std::string::npos) << ran.errors;
}

}  // namespace
}  // namespace enlarge::test
