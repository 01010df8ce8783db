// SPDX-License-Identifier: Apache-2.0
// Random networks of every kind, from files of every format, against PyTorch.
#include "golden.hpp"

namespace enlarge {
namespace {

class synthetic : public testing::TestWithParam<test::GoldenCase> {};

TEST_P(synthetic, every_backend_computes_what_pytorch_computed) {
    const StateDict weights = test::must(read_weights(test::golden_path(GetParam().weights)));
    test::expect_golden(test::must(recognise(weights)), GetParam(), GetParam().weights);
}

std::string name_of(const testing::TestParamInfo<test::GoldenCase>& info) {
    std::string name = info.param.weights;
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(state_dicts, synthetic, testing::ValuesIn(test::golden_cases("cases.txt")), name_of);

INSTANTIATE_TEST_SUITE_P(graphs, synthetic, testing::ValuesIn(test::golden_cases("graph_cases.txt")), name_of);

TEST(golden_lists, are_complete) {
    EXPECT_EQ(test::golden_cases("cases.txt").size(), 15U);
    EXPECT_EQ(test::golden_cases("graph_cases.txt").size(), 13U);
    EXPECT_EQ(test::golden_cases("real_cases.txt").size(), 6U);
}

}  // namespace
}  // namespace enlarge
