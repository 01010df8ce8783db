// SPDX-License-Identifier: Apache-2.0
// Every operation's plain kernel on whatever Vulkan device is here (Mesa's lavapipe, where there is no card), against
// the reference.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "arch/arch.hpp"
#include "backend/reference/reference.hpp"
#include "device.hpp"
#include "support/run_program.hpp"
#include "support/source_folder.hpp"
#include "support/tensor_cases.hpp"
#include "tile/tile.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;
using test::TensorCase;

std::vector<TensorCase> all_cases() {
    std::vector<TensorCase> all(std::begin(test::kTensorCases), std::end(test::kTensorCases));
    all.insert(all.end(), std::begin(test::kMoreTensorCases), std::end(test::kMoreTensorCases));
    return all;
}

class vulkan_tensors : public testing::TestWithParam<TensorCase> {};

TEST_P(vulkan_tensors, compute_what_the_reference_computes) {
    ENLARGE_NEEDS_VULKAN();
    const auto backend = test::vulkan_without_self_check();
    const Graph graph = test::tensor_network(GetParam());
    const FloatPicture picture = test::random_picture(8, 3, {20, 12});
    const auto program = test::must(backend->compile(graph, {}));
    EXPECT_EQ(program->info().precision, Precision::fp32);
    EXPECT_EQ(program->info().halo == kWholePicture, !graph.receptive_radius().has_value());
    EXPECT_GT(program->memory_bytes({64, 64}), std::int64_t{64 * 64} * 4 * 10);
    const FloatPicture got = test::run_tiled(*program, picture, 1 << 16);
    EXPECT_LE(test::largest_difference(test::run_whole(reference_backend(), graph, picture), got), 1e-4);
    if (GetParam().tiles) EXPECT_EQ(test::run_tiled(*program, picture, 8).values, got.values) << "in tiles";
}

INSTANTIATE_TEST_SUITE_P(each, vulkan_tensors, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(vulkan_kernels, every_operation_has_been_run) {
    std::set<std::string_view> tried;
    for (const TensorCase& wanted : all_cases()) {
        const Graph graph = test::tensor_network(wanted);
        for (const Node& node : graph.nodes()) tried.insert(node.name());
    }
    EXPECT_EQ(tried.size(), std::variant_size_v<Operation>);
}

// The golden variant of each family, on a picture of the size of its case, rounded up to what the network asks for.
TEST(vulkan_kernels, run_every_family) {
    ENLARGE_NEEDS_VULKAN();
    const auto backend = test::vulkan_without_self_check();
    const std::string folder = test::source_folder() + "/tests/golden/data/";
    std::ifstream cases(folder + "family_cases.txt");
    std::string weights, picture_file, expected_file;
    int width = 0, height = 0, channels = 0, scale = 0, ran = 0;
    while (cases >> weights >> picture_file >> width >> height >> channels >> expected_file >> scale) {
        const Graph graph = test::must(recognise(test::must(read_weights(folder + weights)))).graph;
        const auto whole = [&](int side) { return round_up(side, graph.size_multiple()); };
        const FloatPicture picture = test::random_picture(4, channels, {whole(width), whole(height)});
        const FloatPicture expected = test::run_whole(reference_backend(), graph, picture);
        EXPECT_LE(test::largest_difference(expected, test::run_whole(*backend, graph, picture)), 1e-4) << weights;
        ++ran;
    }
    EXPECT_GT(ran, 30);
}

}  // namespace
}  // namespace enlarge
