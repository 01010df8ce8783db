// SPDX-License-Identifier: Apache-2.0
// Tensors in half precision: what they are held against, where they are not used, and who decides.
#include <gtest/gtest.h>

#include "backend/reference/reference.hpp"
#include "device.hpp"
#include "fake_device.hpp"
#include "support/networks.hpp"
#include "support/node_by_node.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FakeDevice;
using test::FloatPicture;
using test::TensorCase;

CompileOptions in_half() {
    CompileOptions options;
    options.precision = Precision::fp16;
    return options;
}

bool has_half() {
    for (const DeviceInfo& info : vulkan_backend().probe())
        if (info.usable) return std::find(info.precisions.begin(), info.precisions.end(), Precision::fp16) !=
                                info.precisions.end();
    return false;
}

#define ENLARGE_NEEDS_HALF() \
    ENLARGE_NEEDS_VULKAN();  \
    if (!has_half()) GTEST_SKIP() << "this Vulkan device has no 16-bit storage"

// Every operation that runs in half precision: numbers of a tensor have 11 bits, sums 24, and a case has a few tensors.
TEST(vulkan_half, operations_compute_what_the_reference_computes) {
    ENLARGE_NEEDS_HALF();
    const auto backend = test::vulkan_without_self_check();
    const FloatPicture picture = test::tensor_picture();
    int ran = 0, refused = 0, rounded = 0;
    for (const TensorCase& one : test::all_tensor_cases()) {
        SCOPED_TRACE(one.name);
        const Graph graph = test::tensor_network(one);
        const auto program = backend->compile(graph, in_half());
        if (!program.ok()) {
            EXPECT_EQ(program.error().code, Errc::unsupported);
            EXPECT_NE(program.error().message.find("is computed in fp32 only"), std::string::npos)
                << program.error().message;
            ++refused;
            continue;
        }
        ++ran;
        EXPECT_EQ((*program)->info().precision, Precision::fp16);
        const FloatPicture truth = test::run_whole(reference_backend(), graph, picture);
        float most = 1;
        for (const float v : truth.values) most = std::max(most, std::fabs(v));
        const FloatPicture got = test::run_tiled(**program, picture, 1 << 16);
        const double difference = test::largest_difference(truth, got);
        EXPECT_LE(difference, 0.01 * static_cast<double>(most));
        rounded += difference > 1e-4;
        if (one.tiles) {
            EXPECT_EQ(test::run_tiled(**program, picture, 8).values, got.values) << "in tiles";
        }
    }
    EXPECT_GT(ran, 20);
    EXPECT_GT(refused, 5);
    EXPECT_GT(rounded, 10) << "half precision shows";
}

TEST(vulkan_half, takes_half_the_memory) {
    ENLARGE_NEEDS_HALF();
    const auto backend = test::vulkan_without_self_check();
    const Graph graph = test::compact_graph(3, {24, 3, 2, 3});
    const auto whole = test::must(backend->compile(graph, {})), half = test::must(backend->compile(graph, in_half()));
    EXPECT_EQ(half->memory_bytes({64, 48}) * 2, whole->memory_bytes({64, 48}));
}

TEST(vulkan_half, a_device_without_says_so_and_computes_in_single_precision) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    device.no_half = device.graphics_card = true;
    const auto backend = test::vulkan_with(device, true);
    const Graph graph = test::compact_graph(3, {8, 1, 2, 3});
    EXPECT_EQ(backend->probe().at(0).precisions, std::vector<Precision>{Precision::fp32});
    const auto asked = backend->compile(graph, in_half());
    ASSERT_FALSE(asked.ok());
    EXPECT_EQ(asked.error().code, Errc::unsupported);
    EXPECT_NE(asked.error().message.find("has no 16-bit storage"), std::string::npos) << asked.error().message;
    EXPECT_EQ(test::must(backend->compile(graph, {}))->info().precision, Precision::fp32);
}

// A network whose features are larger than half precision knows, and whose picture is as any other.
Graph with_large_features() {
    test::NetworkBuilder b(12, 3);
    int x = b.prelu(b.conv(0, 8));
    const auto scaled = [&](int of, float factor, int channels) {
        return b.scale_shift(of, std::vector<float>(static_cast<std::size_t>(channels), factor),
                             std::vector<float>(static_cast<std::size_t>(channels), 0.0F));
    };
    x = scaled(scaled(x, 1e6F, 8), 1e-6F, 8);
    b.conv(x, 3);
    return b.finish();
}

TEST(vulkan_half, is_what_automatic_takes_on_a_card_where_the_network_keeps_the_gate) {
    ENLARGE_NEEDS_HALF();
    const Graph good = test::compact_graph(3, {24, 2, 2, 3}), large = with_large_features();
    FakeDevice card;
    card.graphics_card = true;
    const auto backend = test::vulkan_with(card, true);
    const auto half = test::must(backend->compile(good, {})), whole = test::must(backend->compile(large, {}));
    EXPECT_EQ(half->info().precision, Precision::fp16);
    EXPECT_GE(half->info().calibration_psnr, 58);
    EXPECT_LT(half->info().calibration_psnr, 110);
    EXPECT_EQ(whole->info().precision, Precision::fp32);
    EXPECT_EQ(whole->info().calibration_psnr, 0);
}

// Software gains nothing by it: it takes single precision unless asked.
TEST(vulkan_half, is_not_what_automatic_takes_on_software) {
    ENLARGE_NEEDS_HALF();
    FakeDevice device;
    const auto backend = test::vulkan_with(device, true);
    const Graph graph = test::compact_graph(3, {8, 1, 2, 3});
    EXPECT_EQ(test::must(backend->compile(graph, {}))->info().precision, Precision::fp32);
    const auto asked = test::must(backend->compile(graph, in_half()));
    EXPECT_EQ(asked->info().precision, Precision::fp16);
    EXPECT_GT(asked->info().calibration_psnr, 40);
}

}  // namespace
}  // namespace enlarge
