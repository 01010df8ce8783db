// SPDX-License-Identifier: Apache-2.0
// 3x3 convolutions by Winograd's F(4x4, 3x3), in every form that devices get.
#include <gtest/gtest.h>

#include "backend/reference/reference.hpp"
#include "backend/vulkan/winograd.hpp"
#include "device.hpp"
#include "fake_device.hpp"
#include "support/networks.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FakeDevice;
using test::FloatPicture;

struct Form {
    const char* name;
    std::uint32_t threads, shared_bytes;  // that the device is made to say
    vulkan::WinogradShape shape;
};
// The first is a form for 48 KB: more than lavapipe says it has, which it has nevertheless.
constexpr Form kForms[] = {
    {"large", 1024, 49152, {288, 32, 6}},
    {"small", 1024, 32768, {288, 32, 4}},
    {"few_threads", 256, 32768, {144, 16, 6}},
    {"few_threads_small", 256, 20000, {144, 16, 4}},
    {"none", 1024, 16384, {0, 0, 0}},
    {"none_for_128_threads", 128, 49152, {0, 0, 0}},
};

// Channels that are no multiples of what a work group takes, a layer at half the size, one at twice.
Graph odd_network() {
    test::NetworkBuilder b(11, 3);
    int x = b.prelu(b.conv(0, 37));
    x = b.prelu(b.conv(x, 45));
    x = b.conv(x, 24);
    x = b.conv(b.upsample_nearest(x, 2), 26);
    x = b.conv(x, 3);
    b.add(x, b.upsample_nearest(0, 2));
    return b.finish();
}

class vulkan_winograd : public testing::TestWithParam<Form> {};

TEST_P(vulkan_winograd, computes_what_the_reference_computes_with_one_result_for_all_tiles) {
    ENLARGE_NEEDS_VULKAN();
    const Form form = GetParam();
    FakeDevice device;
    device.limits = [&](VkPhysicalDeviceLimits& l) {
        l.maxComputeWorkGroupInvocations = l.maxComputeWorkGroupSize[0] = form.threads;
        l.maxComputeSharedMemorySize = form.shared_bytes;
        vulkan::Facts facts;
        facts.limits = l;
        const vulkan::WinogradShape shape = vulkan::winograd_shape(facts);
        EXPECT_EQ(shape.threads, form.shape.threads);
        EXPECT_EQ(shape.outs, form.shape.outs);
        EXPECT_EQ(shape.chunk, form.shape.chunk);
    };
    const auto backend = test::vulkan_with(device);
    const Graph graph = odd_network();
    const FloatPicture picture = test::random_picture(8, 3, {53, 18});
    const auto program = test::must(backend->compile(graph, {}));
    const bool used = program->info().description.find("Winograd") != std::string::npos;
    EXPECT_EQ(used, form.shape.threads > 0);
    EXPECT_EQ(program->info().alignment, used ? 4 : 1);
    const FloatPicture got = test::run_tiled(*program, picture, 1 << 16);
    EXPECT_LE(test::largest_difference(test::run_whole(reference_backend(), graph, picture), got), 1e-4);
    EXPECT_EQ(test::run_tiled(*program, picture, 20).values, got.values);
}

INSTANTIATE_TEST_SUITE_P(each, vulkan_winograd, testing::ValuesIn(kForms),
                         [](const auto& info) { return std::string(info.param.name); });

// Sums run over channels in their order, however many lie in shared memory at a time.
TEST(vulkan_kernels, every_form_of_winograd_gives_the_same_bits) {
    ENLARGE_NEEDS_VULKAN();
    const Graph graph = odd_network();
    std::vector<FloatPicture> results;
    for (const Form& form : kForms) {
        if (form.shape.threads == 0) continue;
        FakeDevice device;
        device.limits = [&](VkPhysicalDeviceLimits& l) {
            l.maxComputeWorkGroupInvocations = l.maxComputeWorkGroupSize[0] = form.threads;
            l.maxComputeSharedMemorySize = form.shared_bytes;
        };
        const auto backend = test::vulkan_with(device);
        const auto program = test::must(backend->compile(graph, {}));
        results.push_back(test::run_tiled(*program, test::random_picture(8, 3, {21, 18}), 1 << 16));
        EXPECT_EQ(results.back().values, results.front().values) << form.name;
    }
    EXPECT_EQ(results.size(), 4U);
}

// Deep networks would need a halo of hundreds of pixels for the same bits: they are computed without.
TEST(vulkan_kernels, deep_networks_are_computed_without_winograd) {
    ENLARGE_NEEDS_VULKAN();
    const auto backend = test::vulkan_without_self_check();
    const Graph deep = test::compact_graph(4, {32, 60, 2, 3});
    const auto program = test::must(backend->compile(deep, {}));
    EXPECT_EQ(program->info().halo, 62);
    EXPECT_EQ(program->info().alignment, 1);
}

}  // namespace
}  // namespace enlarge
