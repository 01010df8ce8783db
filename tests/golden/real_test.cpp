// SPDX-License-Identifier: Apache-2.0
// Published networks, from the folder ENLARGE_TEST_DATA/weights, against PyTorch on a synthetic picture.
#include "golden.hpp"

namespace enlarge {
namespace {

using test::must;

test::GoldenCase case_of(const std::string& name) {
    for (const test::GoldenCase& c : test::golden_cases("real_cases.txt"))
        if (c.weights == "real_" + name) return c;
    ADD_FAILURE() << "no golden file for " << name;
    return {};
}

StateDict read(const std::string& file) { return must(read_weights(test::real_weights() + file)); }

void expect_real(const std::string& name, const std::string& file) {
    test::expect_golden(must(recognise(read(file))), case_of(name), file);
}

#define NEEDS_REAL_WEIGHTS() \
    if (test::real_weights().empty()) GTEST_SKIP() << "ENLARGE_TEST_DATA is not set: published weights are not tested"

TEST(real, general_x4v3) {
    NEEDS_REAL_WEIGHTS();
    expect_real("general", "pth/realesr-general-x4v3-fp16values.pth");
    expect_real("general", "safetensors/realesr-general-x4v3-fp16.safetensors");
}

TEST(real, general_wdn_x4v3) {
    NEEDS_REAL_WEIGHTS();
    expect_real("wdn", "pth/realesr-general-wdn-x4v3-fp16values.pth");
    expect_real("wdn", "safetensors/realesr-general-wdn-x4v3-fp16.safetensors");
}

TEST(real, animevideov3) {
    NEEDS_REAL_WEIGHTS();
    expect_real("anime", "pth/realesr-animevideov3.pth");
}

TEST(real, denoise_strength_one_half_is_the_blend_of_general_and_wdn) {
    NEEDS_REAL_WEIGHTS();
    const StateDict mixed = must(blend(read("pth/realesr-general-x4v3-fp16values.pth"),
                                       read("safetensors/realesr-general-wdn-x4v3-fp16.safetensors"), 0.5F));
    test::expect_golden(must(recognise(mixed)), case_of("denoise"), "0.5 * general + 0.5 * wdn");
}

TEST(real, span_slim) {
    NEEDS_REAL_WEIGHTS();
    expect_real("span38", "span/team38_span_ch28_slim.pth");
    expect_real("span46", "span/team46_span.pth");
}

}  // namespace
}  // namespace enlarge
