// SPDX-License-Identifier: Apache-2.0
// One network of each family, written as ONNX and read again as a graph: the same result.
#include <cmath>
#include <map>
#include <numeric>

#include "backend/reference/reference.hpp"
#include "export/onnx.hpp"
#include "golden.hpp"

namespace enlarge {
namespace {

using test::must;

// Files that other programs run at any size (peer_test.cpp), but whose arithmetic with the picture's sides is none that
// a graph has; and the words with which they are refused.
const std::map<std::string, std::string> kNotReadAgain = {
    {"family_craft.safetensors", "Mod of the sizes"},                           // always continued by a pixel at least
    {"family_dat.safetensors", "an error function that is no part of a GELU"},  // of what was scaled and shifted
    {"family_drct.safetensors",
     "whether the picture's sides are multiples of 16"},  // which none of its operations asks
    {"family_moesr.safetensors", "arithmetic of a tensor with the picture's size"},  // DySample's places
    {"family_realplksr_dysample.safetensors", "arithmetic of a tensor with the picture's size"},
    {"family_rgt.safetensors", "an error function that is no part of a GELU"},
};

class exported_families : public testing::TestWithParam<test::GoldenCase> {};

TEST_P(exported_families, compute_the_same_when_read_again) {
    const Network network = must(recognise(must(read_weights(test::golden_path(GetParam().weights)))));
    const std::string bytes = must(write_onnx(network.graph));
    const auto again = recognise(must(read_weights(std::as_bytes(std::span(bytes)))));
    if (const auto refused = kNotReadAgain.find(GetParam().weights); refused != kNotReadAgain.end()) {
        ASSERT_FALSE(again.ok());
        EXPECT_NE(again.error().message.find(refused->second), std::string::npos) << again.error().message;
        return;
    }
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->scale, network.scale);
    const int unit = std::lcm(network.graph.size_multiple(), again->graph.size_multiple());
    const int side = (16 + unit - 1) / unit * unit;
    const test::FloatPicture picture = test::random_picture(5, network.graph.input_channels(), {side, side});
    const test::FloatPicture mine = test::run_whole(reference_backend(), network.graph, picture),
                             theirs = test::run_whole(reference_backend(), again->graph, picture);
    double largest = 1;
    for (const float value : mine.values) largest = std::max(largest, std::fabs(double{value}));
    EXPECT_LE(test::largest_difference(mine, theirs), 2e-5 * largest);
}

std::string name_of(const testing::TestParamInfo<test::GoldenCase>& info) {
    std::string name = info.param.weights;
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(families, exported_families, testing::ValuesIn(test::golden_cases("family_cases.txt")),
                         name_of);

}  // namespace
}  // namespace enlarge
