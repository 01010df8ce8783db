// SPDX-License-Identifier: Apache-2.0
// Every operation's plain kernel on whatever Vulkan device is here (Mesa's lavapipe, where there is no card), against
// the reference.
#include "device.hpp"
#include "support/node_by_node.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;
using test::TensorCase;

class vulkan_tensors : public testing::TestWithParam<TensorCase> {};

TEST_P(vulkan_tensors, compute_what_the_reference_computes) {
    ENLARGE_NEEDS_VULKAN();
    const auto backend = test::vulkan_without_self_check();
    const Graph graph = test::tensor_network(GetParam());
    const auto program = test::must(backend->compile(graph, {}));
    const FloatPicture got = test::expect_the_reference(*program, graph);
    if (GetParam().tiles) {
        EXPECT_EQ(test::run_tiled(*program, test::tensor_picture(), 8).values, got.values) << "in tiles";
    }
}

INSTANTIATE_TEST_SUITE_P(each, vulkan_tensors, testing::ValuesIn(test::all_tensor_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(vulkan_kernels, every_operation_has_been_run) { test::expect_every_operation(); }

TEST(vulkan_kernels, run_every_family) {
    ENLARGE_NEEDS_VULKAN();
    test::expect_every_family(*test::vulkan_without_self_check());
}

}  // namespace
}  // namespace enlarge
