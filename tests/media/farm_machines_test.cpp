// SPDX-License-Identifier: Apache-2.0
// Jobs of many machines that do not compute the same bits: refused, saying how they differ.
#include <gtest/gtest.h>

#include "media/clip_maker.hpp"
#include "media/program.hpp"

namespace enlarge::test {
namespace {

using Words = std::vector<std::string>;

// A job of two parts; its folder.
std::string planned(const Scratch& scratch) {
    ClipSpec spec;
    spec.frames = 14;
    make_clip(scratch / "in.mkv", spec);
    const Ran ran = run(scratch, {"plan", scratch / "in.mkv", "-o", scratch / "out.mkv", "--job", scratch / "job", "-m",
                                  "swift-x2", "--precision", "fp32", "--segment-frames", "7", "--parts", "2"});
    EXPECT_EQ(ran.code, 0) << ran.errors;
    return scratch / "job";
}

// The same job as if another machine had planned it.
void replace_in_job(const std::string& job, const std::string& from, const std::string& to) {
    std::string text = contents(job + "/job.json");
    ASSERT_NE(text.find(from), std::string::npos) << from << " in " << text;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    std::ofstream(job + "/job.json", std::ios::binary) << text;
}

std::string isa_of(const std::string& job) {
    const std::string text = contents(job + "/job.json"), before = "\"arithmetic\": \"cpu ";
    const auto at = text.find(before) + before.size();
    return text.substr(at, text.find_first_of(",\"", at) - at);
}

TEST(farm, parts_of_avx2_and_avx512_do_not_come_together_unasked) {
    const Scratch scratch;
    const std::string job = planned(scratch);
    const std::string here = isa_of(job), other = here == "avx512" ? "avx2" : "avx512";
    ASSERT_EQ(here.find(' '), std::string::npos) << here;
    replace_in_job(job, "cpu " + here + ",", "cpu " + other + ",");
    const Ran refused = run(scratch, {"work", job});
    EXPECT_EQ(refused.code, 5) << refused.errors;
    EXPECT_NE(refused.errors.find("does not compute the same bits"), std::string::npos) << refused.errors;
    EXPECT_NE(refused.errors.find("cpu " + here), std::string::npos) << refused.errors;
    EXPECT_NE(refused.errors.find("cpu " + other), std::string::npos) << refused.errors;
    EXPECT_FALSE(fs::exists(job + "/parts/part-000000.json"));
    ASSERT_EQ(run(scratch, {"work", job, "--allow-mixed"}).code, 0);
    const Ran mixed = run(scratch, {"join", job});
    EXPECT_EQ(mixed.code, 0) << mixed.errors;
    EXPECT_NE(mixed.errors.find("computed in several ways"), std::string::npos) << mixed.errors;
}

// The name is not all: what the network makes of a fixed picture is compared, too.
TEST(farm, the_same_name_with_other_results_is_refused) {
    const Scratch scratch;
    const std::string job = planned(scratch);
    const std::string text = contents(job + "/job.json");
    const auto name = text.find("the network's results (checksum)");
    ASSERT_NE(name, std::string::npos);
    const auto value = text.find("\"value\": \"", name) + 10;
    const std::string sum = text.substr(value, 16);
    replace_in_job(job, sum, sum == "0123456789abcdef" ? "fedcba9876543210" : "0123456789abcdef");
    const Ran refused = run(scratch, {"work", job});
    EXPECT_EQ(refused.code, 5) << refused.errors;
    EXPECT_NE(refused.errors.find("the network's results"), std::string::npos) << refused.errors;
}

// With the kernels of another instruction set, for what this processor can do.
TEST(farm, another_instruction_set_of_this_processor_is_refused) {
    const Scratch scratch;
    const std::string job = planned(scratch);
    if (isa_of(job) == "scalar") GTEST_SKIP() << "SKIPPED: this processor lacks AVX2";
    ::setenv("ENLARGE_ISA", "scalar", 1);
    const Ran refused = run(scratch, {"work", job});
    ::unsetenv("ENLARGE_ISA");
    EXPECT_EQ(refused.code, 5) << refused.errors;
    EXPECT_NE(refused.errors.find("scalar"), std::string::npos) << refused.errors;
    EXPECT_EQ(run(scratch, {"work", job}).code, 0);
}

}  // namespace
}  // namespace enlarge::test
