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
using test::in_half;
using test::TensorCase;

// Whether the device has fp16 in memory, and with `sums` in arithmetic too.
bool has_half(bool sums) {
    for (const DeviceInfo& info : vulkan_backend().probe())
        if (info.usable)
            return info.detail.find(sums ? "fp16 ones" : "fp16 with fp32 sums") != std::string::npos;
    return false;
}

#define ENLARGE_NEEDS_HALF() \
    ENLARGE_NEEDS_VULKAN();  \
    if (!has_half(false)) GTEST_SKIP() << "this Vulkan device has no 16-bit storage"
#define ENLARGE_NEEDS_HALF_SUMS() \
    ENLARGE_NEEDS_HALF();         \
    if (!has_half(true)) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic"

// What a description says of how numbers are summed.
bool sums_in_half(const Program& program) {
    return program.info().description.find("fp16 with sums of fp16 and fp32") != std::string::npos;
}

// Every operation that runs in half precision: numbers of a tensor have 11 bits, sums 24 or (of few products) 11, and a
// case has a few tensors.
class vulkan_half_sums : public testing::TestWithParam<bool> {};

TEST_P(vulkan_half_sums, operations_compute_what_the_reference_computes) {
    ENLARGE_NEEDS_HALF();
    if (GetParam() && !has_half(true)) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic";
    FakeDevice device;
    device.no_half_sums = !GetParam();
    const auto backend = test::vulkan_with(device);
    const FloatPicture picture = test::tensor_picture();
    int ran = 0, refused = 0, rounded = 0, sums = 0;
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
        sums += sums_in_half(**program);
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
    EXPECT_EQ(sums > 0, GetParam());
}

INSTANTIATE_TEST_SUITE_P(each, vulkan_half_sums, testing::Bool(),
                         [](const auto& info) { return info.param ? "fp16_arithmetic" : "fp16_storage"; });

// Channels that are no multiples of what a work group takes or of a sum in half precision, for every form of Winograd's
// kernel and for the direct one.
TEST_P(vulkan_half_sums, every_form_computes_3x3_convolutions_with_one_result_for_all_tiles) {
    ENLARGE_NEEDS_HALF();
    if (GetParam() && !has_half(true)) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic";
    test::NetworkBuilder b(11, 3);
    int x = b.prelu(b.conv(0, 37));
    x = b.prelu(b.conv(x, 45));
    x = b.conv(b.upsample_nearest(x, 2), 26);
    b.add(b.conv(x, 3), b.upsample_nearest(0, 2));
    const Graph graph = b.finish();
    const FloatPicture picture = test::random_picture(8, 3, {53, 18});
    const FloatPicture truth = test::run_whole(reference_backend(), graph, picture);
    struct Form {
        std::uint32_t threads, shared_bytes;
        bool winograd;
    };
    std::vector<FloatPicture> results;
    for (const Form& form : {Form{1024, 32768, true}, Form{256, 32768, true}, Form{256, 20000, true},
                             Form{256, 18000, false}}) {
        SCOPED_TRACE(form.shared_bytes);
        FakeDevice device;
        device.no_half_sums = !GetParam();
        device.limits = [&](VkPhysicalDeviceLimits& l) {
            l.maxComputeWorkGroupInvocations = l.maxComputeWorkGroupSize[0] = form.threads;
            l.maxComputeSharedMemorySize = form.shared_bytes;
        };
        const auto backend = test::vulkan_with(device);
        const auto program = test::must(backend->compile(graph, in_half()));
        EXPECT_EQ(sums_in_half(*program), GetParam());
        EXPECT_EQ(program->info().description.find("Winograd") != std::string::npos, form.winograd);
        const FloatPicture got = test::run_tiled(*program, picture, 1 << 16);
        const double difference = test::largest_difference(truth, got);
        EXPECT_LE(difference, GetParam() ? 0.03 : 0.01);
        EXPECT_GT(difference, 1e-4) << "half precision shows";
        EXPECT_EQ(test::run_tiled(*program, picture, 20).values, got.values) << "in tiles";
        if (form.winograd) results.push_back(got);
    }
    for (const FloatPicture& one : results) EXPECT_EQ(one.values, results.front().values);
}

// 200 * 1024 is more than half precision knows. Such products cancel each other here, and 25 * 1024 remains.
Graph with_large_products() {
    test::NetworkBuilder b(12, 3);
    const auto conv = [&](int from, int in, int out, auto&& weight) {
        std::vector<float> weights(static_cast<std::size_t>(9 * in * out), 0.0F);
        for (int o = 0; o < out; ++o)
            for (int c = 0; c < in; ++c) weights[static_cast<std::size_t>(9 * (o * in + c) + 4)] = weight(o, c);
        return test::must(b.graph.conv2d(from, out, 3, weights, std::vector<float>(static_cast<std::size_t>(out))));
    };
    const int x = conv(0, 3, 9, [](int o, int c) { return o % 3 == c ? 1024.0F : 0.0F; });
    const int y = conv(x, 9, 3, [](int o, int c) {
        const float by_turn[] = {200.0F, -200.0F, 25.0F};
        return c % 3 == o ? by_turn[c / 3] : 0.0F;
    });
    b.scale_shift(y, std::vector<float>(3, 1.0F / 25600), std::vector<float>(3));
    return b.finish();
}

// Which sums, which numbers in memory: what keeps the gate, the fastest first, on a card and where fp16 is asked for.
TEST(vulkan_half, sums_are_in_half_precision_where_the_network_keeps_the_gate_with_them) {
    ENLARGE_NEEDS_HALF_SUMS();
    const Graph good = test::compact_graph(3, {24, 2, 2, 3}), large = with_large_products();
    FakeDevice card;
    card.graphics_card = true;
    const auto backend = test::vulkan_with(card, true);
    for (const CompileOptions& options : {CompileOptions{}, in_half()}) {
        const auto summed = test::must(backend->compile(good, options));
        const auto stored = test::must(backend->compile(large, options));
        EXPECT_TRUE(sums_in_half(*summed));
        EXPECT_EQ(stored->info().precision, Precision::fp16);
        EXPECT_FALSE(sums_in_half(*stored)) << stored->info().description;
        EXPECT_NE(stored->info().description.find("fp16 with fp32 sums"), std::string::npos);
        EXPECT_GE(stored->info().calibration_psnr, 58);
    }
    FakeDevice old_card;
    old_card.graphics_card = old_card.no_half_sums = true;
    const auto old = test::vulkan_with(old_card, true);
    EXPECT_EQ(old->probe().at(0).detail.find("fp16 ones"), std::string::npos) << old->probe().at(0).detail;
    const auto stored = test::must(old->compile(good, {}));
    EXPECT_EQ(stored->info().precision, Precision::fp16);
    EXPECT_FALSE(sums_in_half(*stored));
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

// So wrong is no network by rounding alone: a device that does nothing, or leaves an eighth of each dispatch out.
TEST(vulkan_half, is_refused_where_it_is_far_off_though_asked_for) {
    ENLARGE_NEEDS_HALF();
    const Graph graph = test::compact_graph(3, {24, 2, 2, 3});
    for (const bool nothing : {true, false}) {
        FakeDevice device;
        (nothing ? device.does_nothing : device.skips_items) = true;
        const auto program = test::vulkan_with(device, true)->compile(graph, in_half());
        ASSERT_FALSE(program.ok());
        EXPECT_EQ(program.error().code, Errc::device);
        const std::string& message = program.error().message;
        EXPECT_NE(message.find("it is not used"), std::string::npos) << message;
        EXPECT_TRUE(!nothing || message.find("in fp16") != std::string::npos) << message;
    }
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
