// SPDX-License-Identifier: Apache-2.0
#include "video/journal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "media/ffmpeg.hpp"
#include "support/images.hpp"

namespace enlarge::video {
namespace {

namespace fs = std::filesystem;
using media::Packet;
using media::Segment;
using test::must;

constexpr int kSegment = 10, kFrames = 47;

struct Folder {
    std::string path = (fs::temp_directory_path() / "enlarge-journal-test").string();
    Folder() { fs::remove_all(path); }
    ~Folder() { fs::remove_all(path); }
};

JobPlan plan() {
    JobPlan plan;
    plan.segment_frames = kSegment;
    plan.fingerprint = {{"a fact", "its value"}};
    return plan;
}

media::VideoTrack track() {
    media::VideoTrack track;
    track.time_base = {1, 25};
    track.frame_rate = {25, 1};
    track.size = {64, 48};
    track.extradata = "headers";
    return track;
}

Packet packet_of(std::int64_t frame) {
    auto made = media::new_packet();
    const std::string bytes = "frame " + std::to_string(frame);
    EXPECT_EQ(media::av_new_packet(made.get(), static_cast<int>(bytes.size())), 0);
    std::copy(bytes.begin(), bytes.end(), made->data);
    made->pts = made->dts = frame;
    return Packet{std::shared_ptr<AVPacket>(made.release(), media::FreeAv{})};
}

// The segment that begins with frame `first`, on disk and not named yet.
Segment make(Journal& journal, std::int64_t first, int frames = 0) {
    const auto writer = must(journal.begin(first, track()));
    if (frames == 0) frames = static_cast<int>(std::min<std::int64_t>(kSegment, kFrames - first));
    for (int i = 0; i < frames; ++i) must(writer->add(packet_of(first + i)));
    return must(writer->finish(frames, 1));
}

std::string stream_of(const Journal& journal) {
    const auto packets = must(journal.packets());
    std::string all;
    for (;;) {
        const Packet packet = must(packets->next());
        if (!packet) return all;
        all.append(reinterpret_cast<const char*>(packet.av()->data), packet.bytes());
        all += " at " + std::to_string(packet.av()->pts) + "/" + std::to_string(packet.av()->dts) + "\n";
    }
}

TEST(journal, takes_segments_in_any_order_and_gives_the_same_stream) {
    must(media::start_ffmpeg());
    std::vector<std::int64_t> order;
    for (std::int64_t first = 0; first < kFrames; first += kSegment) order.push_back(first);
    std::string expected;
    std::mt19937 random(7);
    for (int round = 0; round < 6; ++round) {
        const Folder folder;
        const auto journal = must(Journal::open(folder.path, plan(), false));
        for (const std::int64_t first : order) must(journal->put(make(*journal, first)));
        EXPECT_EQ(journal->frames(), kFrames);
        EXPECT_EQ(journal->held(), (std::vector<FrameRange>{{0, kFrames}}));
        must(journal->finish());
        if (round == 0) expected = stream_of(*journal);
        EXPECT_EQ(stream_of(*journal), expected);
        std::shuffle(order.begin(), order.end(), random);
    }
    EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), kFrames);
}

TEST(journal, takes_a_segment_that_somebody_else_made_and_refuses_another_file) {
    must(media::start_ffmpeg());
    const Folder folder;
    const auto journal = must(Journal::open(folder.path, plan(), false));
    const Segment foreign = make(*journal, 10);
    must(journal->put(make(*journal, 0)));  // now the other one is no longer the last that was written here
    must(journal->put(foreign));
    must(journal->put(foreign));  // twice is once
    EXPECT_EQ(journal->segments(), 2);
    Segment wrong = make(*journal, 30);
    const Segment last = make(*journal, 40);
    wrong.sum ^= 1;
    EXPECT_EQ(journal->put(wrong).error().code, Errc::format);
    Segment missing = last;
    missing.first = 20;
    EXPECT_EQ(journal->put(missing).error().code, Errc::format);
    EXPECT_EQ(journal->segments(), 2);
}

TEST(journal, refuses_frames_that_are_there_already_and_ranges_that_are_no_segment) {
    must(media::start_ffmpeg());
    const Folder folder;
    const auto journal = must(Journal::open(folder.path, plan(), false));
    must(journal->put(make(*journal, 10)));
    Segment other = make(*journal, 0);
    for (const auto& [first, frames] : {std::pair<std::int64_t, std::int64_t>{0, 11}, {5, 5}, {0, 0}, {10, 9}}) {
        Segment s = other;
        s.first = first;
        s.frames = frames;
        EXPECT_EQ(journal->put(s).error().code, Errc::format) << first << " " << frames;
    }
    must(journal->put(other));
    EXPECT_EQ(journal->held(), (std::vector<FrameRange>{{0, 20}}));
}

TEST(journal, is_not_finished_with_a_gap_and_names_the_first_missing_frame) {
    must(media::start_ffmpeg());
    const Folder folder;
    const auto journal = must(Journal::open(folder.path, plan(), false));
    must(journal->put(make(*journal, 0)));
    must(journal->put(make(*journal, 20)));
    EXPECT_NE(journal->finish().error().message.find("frame 10 is in no segment"), std::string::npos);
    EXPECT_EQ(journal->held(), (std::vector<FrameRange>{{0, 10}, {20, 10}}));
    must(journal->put(make(*journal, 10)));
    must(journal->finish());
}

TEST(journal, keeps_what_it_named_and_makes_only_the_damaged_segment_again) {
    must(media::start_ffmpeg());
    const Folder folder;
    {
        const auto journal = must(Journal::open(folder.path, plan(), false));
        for (const int first : {20, 0, 10}) must(journal->put(make(*journal, first)));
    }
    {
        const auto journal = must(Journal::open(folder.path, plan(), false));
        EXPECT_EQ(journal->held(), (std::vector<FrameRange>{{0, 30}}));
    }
    std::ofstream(folder.path + "/segment-000001", std::ios::app) << "x";
    const auto journal = must(Journal::open(folder.path, plan(), false));
    EXPECT_EQ(journal->held(), (std::vector<FrameRange>{{0, 10}, {20, 10}}));
    EXPECT_FALSE(fs::exists(folder.path + "/segment-000001"));
    EXPECT_FALSE(journal->complete());
}

TEST(journal, is_refused_to_work_with_other_facts) {
    must(media::start_ffmpeg());
    const Folder folder;
    {
        const auto journal = must(Journal::open(folder.path, plan(), false));
        must(journal->put(make(*journal, 0)));
        EXPECT_EQ(Journal::open(folder.path, plan(), false).error().code, Errc::exists);  // one process only
    }
    JobPlan other = plan();
    other.fingerprint[0].second = "another";
    const auto refused = Journal::open(folder.path, other, false);
    EXPECT_NE(refused.error().message.find("a fact was its value and is another"), std::string::npos);
    EXPECT_EQ(must(Journal::open(folder.path, other, true))->frames(), 0);
}

}  // namespace
}  // namespace enlarge::video
