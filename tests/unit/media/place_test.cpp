// SPDX-License-Identifier: Apache-2.0
#include "media/place.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "media/own_folder.hpp"

namespace enlarge::media {
namespace {

namespace fs = std::filesystem;

class place_file : public testing::Test {
protected:
    void SetUp() override {
        folder_ = fs::path(testing::TempDir()) / ("enlarge_place_" + std::to_string(::getpid()));
        fs::create_directories(folder_);
        write("from", "finished");
    }
    void TearDown() override { fs::remove_all(folder_); }
    [[nodiscard]] std::string at(const std::string& name) const { return (folder_ / name).string(); }
    void write(const std::string& name, const std::string& text) const { std::ofstream(at(name)) << text; }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream in(at(name));
        return {std::istreambuf_iterator<char>(in), {}};
    }
    fs::path folder_;
};

TEST_F(place_file, every_way_of_naming_leaves_what_is_there) {
    for (const Naming way : {Naming::rename, Naming::link, Naming::claim}) {
        write("from", "finished");
        write("to", "somebody's");
        const auto refused = name_with(way, at("from"), at("to"));
        if (!refused && refused.error().code == Errc::unsupported) continue;  // not on this file system
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::exists) << refused.error().message;
        EXPECT_EQ(read("to"), "somebody's");
        EXPECT_EQ(read("from"), "finished");
        fs::remove(at("to"));
        fs::create_symlink(at("nowhere"), at("to"));
        EXPECT_FALSE(name_with(way, at("from"), at("to")));
        EXPECT_TRUE(fs::is_symlink(at("to")));
        fs::remove(at("to"));
        ASSERT_TRUE(name_with(way, at("from"), at("to")));
        EXPECT_EQ(read("to"), "finished");
        EXPECT_FALSE(fs::exists(at("from")));
        fs::remove(at("to"));
    }
}

TEST_F(place_file, the_same_bytes_under_the_name_are_what_a_stopped_run_left) {
    write("to", "finished");
    EXPECT_TRUE(place(at("from"), at("to"), false));
    EXPECT_FALSE(fs::exists(at("from")));
    write("from", "finishes");
    EXPECT_FALSE(place(at("from"), at("to"), false));
    EXPECT_EQ(read("to"), "finished");
    EXPECT_EQ(read("from"), "finishes");
    EXPECT_TRUE(place(at("from"), at("to"), true));
    EXPECT_EQ(read("to"), "finishes");
}

TEST_F(place_file, a_part_takes_a_name_of_its_own) {
    write("victim", "mine");
    fs::create_symlink(at("victim"), at("out.mkv.part"));
    const auto part = create_part(at("out.mkv"));
    ASSERT_TRUE(part) << part.error().message;
    EXPECT_EQ(part->path, at("out.mkv.part2"));
    EXPECT_EQ(::write(part->fd, "x", 1), 1);
    ::close(part->fd);
    EXPECT_EQ(read("victim"), "mine");
    const auto folder = create_part_folder(at("out.mkv"));
    ASSERT_TRUE(folder) << folder.error().message;
    EXPECT_EQ(*folder, at("out.mkv.part3"));
}

TEST_F(place_file, names_beside_a_long_name_fit_and_differ) {
    std::string longest(longest_name(at("x")), 'a');
    const std::string one = beside(at(longest), ".enlarge");
    EXPECT_EQ(fs::path(one).filename().string().size(), longest.size());
    longest.back() = 'b';
    EXPECT_NE(beside(at(longest), ".enlarge"), one);
    ASSERT_TRUE(create_new(one));
    EXPECT_EQ(beside(at("short"), ".part"), at("short.part"));
    EXPECT_EQ(beside(at("f_%03d.png"), ".enlarge"), at("f__03d.png.enlarge"));
    // No character is cut in two.
    std::string umlauts;
    while (umlauts.size() + 2 <= longest.size()) umlauts += "\xc3\xa4";
    const std::string name = fs::path(beside(at(umlauts), ".enlarge")).filename().string();
    const std::size_t cut = name.find('~');
    ASSERT_NE(cut, std::string::npos);
    EXPECT_EQ(cut % 2, 0u);
    const auto too_long = standing(at(std::string(longest.size() + 1, 'a')));
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, Errc::argument);
    EXPECT_NE(too_long.error().message.find(std::to_string(longest.size())), std::string::npos) << too_long.error().message;
}

TEST_F(place_file, only_a_folder_of_our_own_is_opened_and_only_files_of_our_own_in_it) {
    fs::create_directories(at("other"));
    fs::create_directory_symlink(at("other"), at("link"));
    for (const char* name : {"link", "from"}) {
        const auto refused = OwnFolder::open(at(name));
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().code, Errc::exists) << refused.error().message;
    }
    const auto folder = OwnFolder::open(at("own"));
    ASSERT_TRUE(folder) << folder.error().message;
    fs::create_symlink(at("from"), at("own/journal"));
    EXPECT_FALSE(folder->stream("journal", "r"));
    const auto written = folder->stream("journal", "w");  // in place of the link
    ASSERT_TRUE(written) << written.error().message;
    std::fputs("x", *written);
    std::fclose(*written);
    EXPECT_EQ(read("from"), "finished");
    EXPECT_EQ(read("own/journal"), "x");
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: files of another user are made by root only";
    ASSERT_EQ(::chown(at("own/journal").c_str(), 12345, 12345), 0);
    EXPECT_FALSE(folder->stream("journal", "r"));
    ASSERT_EQ(::chown(at("own").c_str(), 12345, 12345), 0);
    const auto foreign = OwnFolder::open(at("own"));
    ASSERT_FALSE(foreign);
    EXPECT_NE(foreign.error().message.find("belongs to user 12345"), std::string::npos) << foreign.error().message;
}

}  // namespace
}  // namespace enlarge::media
