// SPDX-License-Identifier: Apache-2.0
#include "video/job_plan.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/images.hpp"

namespace enlarge::video {
namespace {

using test::must;

JobPlan plan_of(std::int64_t frames, std::int64_t segment_frames) {
    JobPlan plan;
    plan.input = "a film\nwith a line's end.mkv";
    plan.output = "back\\slash.mkv";
    plan.frames = frames;
    plan.segment_frames = segment_frames;
    plan.fingerprint = {
        {"the encoder", "libx264 (crf 17)"}, {"a fact with\na line", "and \\n no line's end"}, {"--crf", ""}};
    return plan;
}

TEST(job_plan, comes_back_from_its_text_as_it_was) {
    JobPlan plan = plan_of(1000, 120);
    EXPECT_EQ(must(parse_plan(text_of(plan))), plan);
    must(divide(plan, 4));
    EXPECT_EQ(must(parse_plan(text_of(plan))), plan);
}

TEST(job_plan, divides_all_frames_into_whole_segments) {
    for (const int frames : {1, 7, 119, 120, 121, 1000, 1200})
        for (const int parts : {1, 2, 3, 7, 100}) {
            SCOPED_TRACE(std::to_string(frames) + " frames, " + std::to_string(parts) + " parts");
            JobPlan plan = plan_of(frames, 120);
            must(divide(plan, parts));
            EXPECT_TRUE(check(plan).ok());
            EXPECT_EQ(plan.parts.size(), static_cast<std::size_t>(std::min(parts, (frames + 119) / 120)));
            std::int64_t sum = 0, least = frames, most = 0;
            for (const FrameRange& part : plan.parts) {
                sum += part.count;
                least = std::min(least, (part.count + 119) / 120);
                most = std::max(most, (part.count + 119) / 120);
            }
            EXPECT_EQ(sum, frames);
            EXPECT_LE(most - least, 1);
        }
    JobPlan unknown = plan_of(0, 120);
    EXPECT_EQ(divide(unknown, 3).error().code, Errc::argument);
    JobPlan none = plan_of(10, 120);
    EXPECT_EQ(divide(none, 0).error().code, Errc::argument);
}

TEST(job_plan, refuses_parts_that_overlap_leave_gaps_or_begin_within_a_segment) {
    const auto refused = [](std::vector<FrameRange> parts) {
        JobPlan plan = plan_of(1000, 100);
        plan.parts = std::move(parts);
        const auto result = check(plan);
        return result.ok() ? std::string() : result.error().message;
    };
    EXPECT_EQ(refused({{0, 1000}}), "");
    EXPECT_NE(refused({{0, 400}, {300, 700}}).find("does not follow"), std::string::npos);
    EXPECT_NE(refused({{0, 400}, {500, 500}}).find("ends before frame 400"), std::string::npos);
    EXPECT_NE(refused({{0, 450}, {450, 550}}).find("does not begin with a segment"), std::string::npos);
    EXPECT_NE(refused({{0, 900}}).find("900 frames and the whole has 1000"), std::string::npos);
    EXPECT_NE(refused({{100, 900}}).find("does not follow"), std::string::npos);
    EXPECT_NE(refused({{0, 0}, {0, 1000}}).find("does not follow"), std::string::npos);
}

TEST(job_plan, refuses_text_that_was_changed_and_lines_that_it_does_not_know) {
    const std::string text = text_of(plan_of(1000, 120));
    EXPECT_EQ(parse_plan("").error().code, Errc::format);
    EXPECT_EQ(parse_plan("something else").error().message, "not the plan of a job");
    for (const std::size_t at : {std::size_t{20}, text.size() / 2, text.size() - 3}) {
        std::string changed = text;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_FALSE(parse_plan(changed).ok()) << at;
    }
    EXPECT_EQ(parse_plan(text.substr(0, text.size() / 2)).error().code, Errc::format);
    EXPECT_EQ(parse_plan(sealed("enlarge plan 2\n")).error().code, Errc::unsupported);
    const auto with = [](const std::string& line) { return parse_plan(sealed("enlarge plan 1\n" + line + "\n")); };
    EXPECT_TRUE(with("frames 7").ok());
    for (const char* line :
         {"colour red", "frames -7", "frames 7 8", "frames", "frames 99999999999999", "part 0", "fact x"})
        EXPECT_EQ(with(line).error().code, Errc::format) << line;
    EXPECT_FALSE(with("segment-frames 0").ok());
}

TEST(job_plan, is_a_file_that_is_there_whole_or_not_at_all) {
    const std::filesystem::path folder = std::filesystem::temp_directory_path() / "enlarge-plan-test";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const std::string path = (folder / "film.plan").string();
    EXPECT_EQ(read_plan(path).error().code, Errc::not_found);
    const JobPlan first = plan_of(1000, 120), second = plan_of(500, 60);
    must(write_plan(path, first));
    EXPECT_EQ(must(read_plan(path)), first);
    must(write_plan(path, second));
    EXPECT_EQ(must(read_plan(path)), second);
    JobPlan wrong = first;
    wrong.parts = {{5, 5}};
    EXPECT_EQ(write_plan(path, wrong).error().message.rfind(path, 0), 0U);
    EXPECT_EQ(must(read_plan(path)), second);
    std::ofstream(path, std::ios::app) << "more";
    EXPECT_EQ(read_plan(path).error().message.rfind(path, 0), 0U);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
    std::filesystem::remove_all(folder);
}

TEST(job_plan, says_which_facts_differ) {
    const media::JobFingerprint old{{"--crf", "17"}, {"the encoder", "x"}};
    const media::JobFingerprint now{{"--crf", ""}, {"the encoder", "x"}, {"new", "1"}};
    EXPECT_EQ(media::differences(old, old), "");
    EXPECT_EQ(media::differences(old, now), "--crf was 17 and is not given; new was nothing and is 1");
}

}  // namespace
}  // namespace enlarge::video
