// SPDX-License-Identifier: Apache-2.0
// The plan of a real job.
#include <gtest/gtest.h>

#include "api/engine_state.hpp"
#include "support/images.hpp"
#include "support/source_folder.hpp"
#include "video/video.hpp"

namespace enlarge::video {
namespace {

using test::must;

const std::string kClip = test::source_folder() + "/samples/clip.mp4";

class PlanVideo : public testing::Test {
protected:
    JobPlan plan(const VideoOptions& options, const std::string& output = "/tmp/enlarge-plan-out.mkv") {
        return must(plan_video({&upscaler_.state().session.state().enlarger, "identity", upscaler_.description(), 1}, kClip, output, options));
    }
    static VideoOptions quiet() {
        VideoOptions options;
        options.notice = [](const Notice&) {};
        return options;
    }
    Upscaler upscaler_ = must(Upscaler::create(
        must(Model::open(test::source_folder() + "/tests/media/data/identity-x1.safetensors")),
        {.device = "reference"}));
};

TEST_F(PlanVideo, is_the_same_each_time_and_says_which_option_changes_the_bytes) {
    VideoOptions options = quiet();
    options.crf = 17;
    const JobPlan first = plan(options);
    EXPECT_EQ(plan(options), first);
    EXPECT_EQ(first.input, kClip);
    EXPECT_EQ(first.segment_frames, options.segment_frames);
    EXPECT_EQ(must(parse_plan(text_of(first))), first);
    options.crf = 18;
    const std::string said = media::differences(first.fingerprint, plan(options).fingerprint);
    EXPECT_NE(said.find("--crf was 17 and is 18"), std::string::npos) << said;
    EXPECT_EQ(said.find("the network"), std::string::npos) << said;
}

TEST_F(PlanVideo, animations_are_one_segment_and_other_files_many) {
    VideoOptions options = quiet();
    options.segment_frames = 7;
    EXPECT_EQ(plan(options).segment_frames, 7);
    EXPECT_GT(plan(options, "/tmp/enlarge-plan-out.gif").segment_frames, 1'000'000);
    options.segment_frames = 0;
    EXPECT_EQ(plan_video({&upscaler_.state().session.state().enlarger, "", "", 1}, kClip, "out.mkv", options).error().code,
              Errc::argument);
}

}  // namespace
}  // namespace enlarge::video
