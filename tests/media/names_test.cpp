// SPDX-License-Identifier: Apache-2.0
// Names on disk: what is there already stays, whoever put it there and whenever.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

extern "C" {
#include <libavutil/crc.h>
}

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

void put(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::vector<std::string> line(const std::string& in, const std::string& out, std::initializer_list<const char*> more = {}) {
    auto list = words(in, out, {"--segment-frames", "7"});
    list.insert(list.end(), more.begin(), more.end());
    return list;
}

void clip(const Scratch& scratch, int frames = 90) {
    ClipSpec spec;
    spec.frames = frames;
    spec.sound = false;
    make_clip(scratch / "in.mkv", spec);
}

// Runs until the first segment is there, does something, and goes on.
Ran with_meanwhile(const Scratch& scratch, const std::vector<std::string>& list, const std::string& folder, const std::function<void()>& meanwhile) {
    Program program(list, scratch / "stderr");
    while (program.running() && !fs::exists(folder + "/segment-000000")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    program.signal(SIGSTOP);
    EXPECT_TRUE(fs::exists(folder)) << "ended too soon; the test tests nothing";
    meanwhile();
    program.signal(SIGCONT);
    return program.wait();
}

Ran killed_at_third_segment(const Scratch& scratch, const std::vector<std::string>& list) {
    Program program(list, scratch / "stderr");
    while (program.running() && !fs::exists(list[2] + ".enlarge/segment-000003")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    program.signal(SIGKILL);
    return program.wait();
}

TEST(names, a_file_that_appears_while_the_work_is_done_is_left_and_the_work_is_kept) {
    const Scratch scratch;
    clip(scratch);
    ASSERT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "whole.mkv")).code, 0);
    const std::string out = scratch / "out.mkv";
    const auto list = line(scratch / "in.mkv", out);
    Ran ran = with_meanwhile(scratch, list, out + ".enlarge", [&] { put(out, "somebody's"); });
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("appeared"), std::string::npos) << ran.errors;
    EXPECT_EQ(contents(out), "somebody's");
    ran = run(scratch, list);  // still there
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_EQ(contents(out), "somebody's");
    fs::remove(out);
    ran = run(scratch, list);
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_NE(ran.errors.find("continuing after 90 frames"), std::string::npos) << ran.errors;
    EXPECT_EQ(contents(out), contents(scratch / "whole.mkv"));
    EXPECT_FALSE(fs::exists(out + ".enlarge"));
}

TEST(names, with_force_the_work_replaces_what_a_link_leads_to) {
    const Scratch scratch;
    clip(scratch, 8);
    put(scratch / "real.mkv", "old");
    fs::create_symlink(scratch / "real.mkv", scratch / "out.mkv");
    fs::create_symlink(scratch / "nowhere.mkv", scratch / "lost.mkv");
    EXPECT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "out.mkv")).code, 5);
    EXPECT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "lost.mkv")).code, 5);
    const Ran ran = run(scratch, line(scratch / "in.mkv", scratch / "out.mkv", {"--force"}));
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_TRUE(fs::is_symlink(scratch / "out.mkv"));
    EXPECT_EQ(look_at(scratch / "real.mkv").times.size(), 8u);
}

TEST(names, what_is_no_file_is_not_replaced) {
    const Scratch scratch;
    clip(scratch, 8);
    ASSERT_EQ(::mkfifo((scratch / "pipe.mkv").c_str(), 0600), 0);
    fs::create_directories(scratch / "folder.mkv");
    fs::create_symlink("/dev/null", scratch / "null.mkv");
    Upscaler engine = upscaler("nearest-x2");
    VideoOptions options;
    options.notice = [](const std::string&) {};
    for (const char* name : {"pipe.mkv", "folder.mkv", "null.mkv"}) {
        const auto refused = enlarge_video(engine, scratch / "in.mkv", scratch / name, options);  // may overwrite
        EXPECT_FALSE(refused) << name;
        EXPECT_FALSE(fs::is_regular_file(scratch / name));
    }
    fs::create_hard_link(scratch / "in.mkv", scratch / "same.mkv");
    const std::string before = contents(scratch / "in.mkv");
    const Ran ran = run(scratch, line(scratch / "in.mkv", scratch / "same.mkv", {"--force"}));
    EXPECT_EQ(ran.code, 2) << ran.errors;
    EXPECT_EQ(contents(scratch / "in.mkv"), before);
}

TEST(names, picture_sequences_neither_overwrite_unasked_nor_ever_their_own_input) {
    const Scratch scratch;
    clip(scratch, 5);
    const std::string in = scratch / "f_%03d.png", out = scratch / "g_%03d.png";
    ASSERT_EQ(run(scratch, line(scratch / "in.mkv", in)).code, 0);
    ASSERT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "one_%03d.png", {"--to", "0.1"})).code, 0);
    std::vector<std::string> before;
    for (int i = 1; i <= 5; ++i) before.push_back(contents(scratch / ("f_00" + std::to_string(i) + ".png")));
    fs::create_directory_symlink(scratch / ".", scratch / "here");
    for (const std::string& own : {in, scratch / "./f_%03d.png", scratch / "here/f_%3d.png", scratch / "here/f_%03d.png"}) {
        for (const bool force : {false, true}) {
            const Ran ran = run(scratch, force ? line(in, own, {"--force"}) : line(in, own));
            if (own.find("%3d") != std::string::npos) continue;  // names with spaces: other files
            EXPECT_EQ(ran.code, 2) << own << ": " << ran.errors;
            EXPECT_NE(ran.errors.find("the output is the input"), std::string::npos) << ran.errors;
        }
    }
    for (int i = 1; i <= 5; ++i) EXPECT_EQ(contents(scratch / ("f_00" + std::to_string(i) + ".png")), before[static_cast<std::size_t>(i - 1)]) << i;

    // A later number of the pattern, a different clip: refused, then replaced when asked.
    put(scratch / "g_003.png", "mine");
    Ran ran = run(scratch, line(in, out));
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_NE(ran.errors.find("g_003.png"), std::string::npos) << ran.errors;
    EXPECT_FALSE(fs::exists(scratch / "g_001.png"));
    ran = run(scratch, line(in, out, {"--force"}));
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_GT(contents(scratch / "g_003.png").size(), 100u);
    // From a pipe, without a journal.
    ran = run(scratch, line("-", out), scratch / "in.mkv");
    EXPECT_EQ(ran.code, 5) << ran.errors;
    ran = run(scratch, line("-", scratch / "h_%03d.png"), scratch / "in.mkv");
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_EQ(contents(scratch / "h_005.png"), before[4]);
    for (const auto& entry : fs::directory_iterator(scratch / ".")) EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
}

TEST(names, pictures_are_of_the_kind_that_their_ending_says) {
    const Scratch scratch;
    clip(scratch, 2);
    for (const auto& [ending, magic] : {std::pair{"png", std::string("\x89PNG")}, std::pair{"jpg", std::string("\xff\xd8\xff")}, std::pair{"bmp", std::string("BM")},
                                        std::pair{"tiff", std::string("II*")}, std::pair{"ppm", std::string("P6")}}) {
        const Ran ran = run(scratch, line(scratch / "in.mkv", scratch / (std::string("f_%03d.") + ending)));
        EXPECT_EQ(ran.code, 0) << ending << ": " << ran.errors;
        EXPECT_EQ(contents(scratch / (std::string("f_002.") + ending)).substr(0, magic.size()), magic) << ending;
        EXPECT_EQ(look_at(scratch / (std::string("f_002.") + ending)).width, 192) << ending;
    }
}

TEST(names, a_picture_that_appears_while_the_work_is_done_is_left) {
    const Scratch scratch;
    clip(scratch);
    const auto list = line(scratch / "in.mkv", scratch / "f_%03d.png");
    Ran ran = with_meanwhile(scratch, list, scratch / "f__03d.png.enlarge", [&] { put(scratch / "f_004.png", "somebody's"); });
    EXPECT_EQ(ran.code, 5) << ran.errors;
    EXPECT_EQ(contents(scratch / "f_004.png"), "somebody's");
    fs::remove(scratch / "f_004.png");
    ran = run(scratch, list);  // three pictures have their names already
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_GT(contents(scratch / "f_090.png").size(), 100u);
    EXPECT_GT(contents(scratch / "f_004.png").size(), 100u);
}

TEST(names, the_part_of_a_pipe_follows_no_link_and_empties_no_file) {
    const Scratch scratch;
    clip(scratch, 8);
    put(scratch / "victim", "precious");
    fs::create_symlink(scratch / "victim", scratch / "out.mkv.part");
    put(scratch / "out.mkv.part2", "an earlier recording");
    const Ran ran = run(scratch, line("-", scratch / "out.mkv"), scratch / "in.mkv");
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_EQ(contents(scratch / "victim"), "precious");
    EXPECT_EQ(contents(scratch / "out.mkv.part2"), "an earlier recording");
    EXPECT_TRUE(fs::is_symlink(scratch / "out.mkv.part"));
    EXPECT_EQ(look_at(scratch / "out.mkv").times.size(), 8u);
    EXPECT_FALSE(fs::exists(scratch / "out.mkv.part3"));
    // MP4 moves its header to the front: it reads what it wrote.
    EXPECT_EQ(run(scratch, line("-", scratch / "out.mp4"), scratch / "in.mkv").code, 0);
    EXPECT_EQ(look_at(scratch / "out.mp4").times.size(), 8u);
    EXPECT_LT(contents(scratch / "out.mp4").find("moov"), contents(scratch / "out.mp4").find("mdat"));
}

TEST(names, a_work_folder_that_is_not_ours_is_neither_used_nor_emptied) {
    const Scratch scratch;
    clip(scratch, 8);
    const std::string out = scratch / "out.mkv", folder = out + ".enlarge";
    const char* names[] = {"segment-000000", "journal.new", "output-000001.png", "journal", "notes"};
    const auto refused = [&](std::initializer_list<const char*> more) {
        const Ran ran = run(scratch, line(scratch / "in.mkv", out, more));
        EXPECT_EQ(ran.code, 5) << ran.errors;
        EXPECT_FALSE(fs::exists(out));
        return ran.errors;
    };
    // A link.
    fs::create_directories(scratch / "other");
    for (const char* name : names) put(scratch / "other" + ("/" + std::string(name)), "x");
    fs::create_directory_symlink(scratch / "other", folder);
    for (const auto& more : {std::initializer_list<const char*>{}, std::initializer_list<const char*>{"--restart"}, std::initializer_list<const char*>{"--force"}}) refused(more);
    for (const char* name : names) EXPECT_TRUE(fs::exists(scratch / "other" + ("/" + std::string(name)))) << name;
    fs::remove(folder);
    // A file.
    put(folder, "x");
    refused({});
    EXPECT_EQ(contents(folder), "x");
    fs::remove(folder);
    // Somebody's folder with other things.
    fs::create_directories(folder);
    put(folder + "/holiday.jpg", "x");
    EXPECT_NE(refused({}).find("holiday.jpg"), std::string::npos);
    fs::remove_all(folder);
    // Another user's.
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: a folder of another user is made by root only";
    fs::create_directories(folder);
    ASSERT_EQ(::chown(folder.c_str(), 12345, 12345), 0);
    EXPECT_NE(refused({"--restart"}).find("12345"), std::string::npos);
    EXPECT_TRUE(fs::is_empty(folder));
}

TEST(names, a_segment_that_is_a_link_is_made_again_and_what_it_leads_to_stays) {
    const Scratch scratch;
    clip(scratch);
    ASSERT_EQ(run(scratch, line(scratch / "in.mkv", scratch / "whole.mkv")).code, 0);
    const std::string out = scratch / "out.mkv";
    const auto list = line(scratch / "in.mkv", out);
    ASSERT_EQ(killed_at_third_segment(scratch, list).code, -SIGKILL);
    fs::rename(out + ".enlarge/segment-000001", scratch / "elsewhere");
    fs::create_symlink(scratch / "elsewhere", out + ".enlarge/segment-000001");
    put(out + ".enlarge/segment-notes.txt", "mine");
    put(out + ".enlarge/output.mov", "mine");
    const Ran ran = run(scratch, list);
    EXPECT_EQ(ran.code, 0) << ran.errors;
    EXPECT_NE(ran.errors.find("segment-000001 is damaged"), std::string::npos) << ran.errors;
    EXPECT_NE(ran.errors.find("the folder of the finished work is left"), std::string::npos) << ran.errors;
    EXPECT_EQ(contents(out), contents(scratch / "whole.mkv"));
    EXPECT_TRUE(fs::exists(scratch / "elsewhere"));
    EXPECT_EQ(contents(out + ".enlarge/segment-notes.txt"), "mine");
    EXPECT_EQ(contents(out + ".enlarge/output.mov"), "mine");
}

TEST(names, a_journal_of_another_version_is_named) {
    const Scratch scratch;
    clip(scratch);
    const std::string out = scratch / "out.mkv", journal = out + ".enlarge/journal";
    const auto list = line(scratch / "in.mkv", out);
    ASSERT_EQ(killed_at_third_segment(scratch, list).code, -SIGKILL);
    std::string text = contents(journal);
    for (const auto& [version, word] : {std::pair{"1", "an earlier version"}, std::pair{"9", "a later version"}, std::pair{"12", "a later version"}}) {
        const std::size_t start = std::strlen("enlarge journal ");
        text.replace(start, text.find('\n') - start, version);
        text.resize(text.rfind("end "));
        const unsigned sum = av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
        text += "end " + std::to_string(sum) + "\n";
        put(journal, text);
        const Ran ran = run(scratch, list);
        EXPECT_EQ(ran.code, 5) << ran.errors;
        EXPECT_NE(ran.errors.find(word), std::string::npos) << ran.errors;
        EXPECT_NE(ran.errors.find("--restart"), std::string::npos) << ran.errors;
        EXPECT_EQ(contents(journal), text);
    }
    EXPECT_EQ(run(scratch, line(scratch / "in.mkv", out, {"--restart"})).code, 0);
}

TEST(names, the_longest_names_work_and_longer_ones_are_one_sentence) {
    const Scratch scratch;
    clip(scratch, 8);
    for (const std::size_t length : {247u, 248u, 251u, 255u, 256u, 300u}) {
        const std::string out = scratch / (std::string(length - 4, 'n') + ".mkv");
        for (const bool piped : {false, true}) {
            const Ran ran = piped ? run(scratch, line("-", out), scratch / "in.mkv") : run(scratch, line(scratch / "in.mkv", out));
            if (length > 255) {
                EXPECT_EQ(ran.code, 2) << length << ran.errors;
                EXPECT_NE(ran.errors.find(std::to_string(length) + " bytes"), std::string::npos) << ran.errors;
                continue;
            }
            EXPECT_EQ(ran.code, 0) << length << ran.errors;
            EXPECT_EQ(look_at(out).times.size(), 8u);
            fs::remove(out);
        }
    }
    Upscaler engine = upscaler("nearest-x2");
    VideoOptions options;
    options.notice = [](const std::string&) {};
    options.overwrite = false;
    const auto refused = enlarge_video(engine, scratch / "in.mkv", scratch / (std::string(300, 'n') + ".mkv"), options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::argument);
    const auto pattern = enlarge_video(engine, scratch / (std::string(300, 'n') + "%03d.png"), scratch / "out.mkv", options);
    EXPECT_FALSE(pattern);
}

TEST(names, a_disk_without_room_is_named_before_work_begins) {
    const Scratch scratch;
    const std::string disk = scratch / "disk";
    const SmallDisk small(disk);
    if (!small.mounted())
        GTEST_SKIP() << "SKIPPED: a small tmpfs cannot be mounted here (" << std::strerror(errno) << "); needs root";
    clip(scratch, 40);  // 192x128 4:2:0: 1.5 MB
    const Ran raw = run(scratch, line(scratch / "in.mkv", disk + "/out.y4m"));
    EXPECT_EQ(raw.code, 4) << raw.errors;
    EXPECT_NE(raw.errors.find("the output will have about 1 MB"), std::string::npos) << raw.errors;
    EXPECT_FALSE(fs::exists(disk + "/out.y4m.enlarge"));
    // A guess does not forbid: this much may fit after all.
    const Ran guessed = run(scratch, line(scratch / "in.mkv", disk + "/out.mkv", {"--encoder-option", "b=5M"}));
    EXPECT_NE(guessed.errors.find("warning: the output will have about 1 MB"), std::string::npos) << guessed.errors;
}

}  // namespace
}  // namespace enlarge::test
