// SPDX-License-Identifier: Apache-2.0
// Winograd's products as those of matrices: on a device that has them, and everywhere with arrays in their place, so
// that places, weights and edges are those of the kernel.
#include <gtest/gtest.h>

#include "backend/reference/reference.hpp"
#include "backend/vulkan/matrix_kernel.hpp"
#include "backend/vulkan/winograd.hpp"
#include "device.hpp"
#include "fake_device.hpp"
#include "support/networks.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FakeDevice;
using test::FloatPicture;
using test::in_half;
using vulkan::MatrixShape;

bool multiplies_matrices(const Program& program) {
    return program.info().description.find("products of matrices") != std::string::npos;
}

// Why the device's own matrices cannot be tested; empty: they can.
std::string no_matrices() {
    for (const DeviceInfo& info : vulkan_backend().probe())
        if (info.usable && info.detail.find("or matrices") != std::string::npos) return {};
    return "this Vulkan device has no matrices of a shape that is used";
}

bool has_half_arithmetic() {
    for (const DeviceInfo& info : vulkan_backend().probe())
        if (info.usable) return info.detail.find("fp16 ones") != std::string::npos;
    return false;
}

// Channels that fill no matrix, more than one work group's and fewer, at half the size and at twice.
Graph odd_network() {
    test::NetworkBuilder b(11, 3);
    int x = b.prelu(b.conv(0, 37));
    x = b.prelu(b.conv(x, 77));
    x = b.conv(b.upsample_nearest(x, 2), 26);
    b.add(b.conv(x, 3), b.upsample_nearest(0, 2));
    return b.finish();
}

void expect_right(FakeDevice& device, bool winograd) {
    const auto backend = test::vulkan_with(device);
    const Graph graph = odd_network();
    const FloatPicture picture = test::random_picture(8, 3, {53, 18});
    const FloatPicture truth = test::run_whole(reference_backend(), graph, picture);
    const auto program = test::must(backend->compile(graph, in_half()));
    EXPECT_TRUE(multiplies_matrices(*program)) << program->info().description;
    EXPECT_EQ(program->info().description.find("Winograd") != std::string::npos, winograd);
    const FloatPicture got = test::run_tiled(*program, picture, 1 << 16);
    const double difference = test::largest_difference(truth, got);
    EXPECT_LE(difference, 0.02);
    EXPECT_GT(difference, 1e-4) << "half precision shows";
    EXPECT_EQ(test::run_tiled(*program, picture, 20).values, got.values) << "in tiles";
}

struct Emulated {
    const char* name;
    MatrixShape shape;
    std::uint32_t threads;  // of a work group, at most
};
constexpr Emulated kEmulated[] = {{"16x16x16", {16, 16, 16}, 1024}, {"16x8x16", {16, 8, 16}, 1024},
                                  {"16x8x8", {16, 8, 8}, 1024},     {"8x8x16", {8, 8, 16}, 1024},
                                  {"8x16x16", {8, 16, 16}, 256},    {"8x8x8", {8, 8, 8}, 256}};

class vulkan_emulated_matrices : public testing::TestWithParam<Emulated> {};

TEST_P(vulkan_emulated_matrices, give_what_the_reference_computes_with_one_result_for_all_tiles) {
    ENLARGE_NEEDS_VULKAN();
    if (!has_half_arithmetic()) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic";
    FakeDevice device;
    device.emulated = GetParam().shape;
    device.limits = [&](VkPhysicalDeviceLimits& l) {
        l.maxComputeWorkGroupInvocations = l.maxComputeWorkGroupSize[0] = GetParam().threads;
        l.maxComputeSharedMemorySize = 49152;
        vulkan::Facts facts;
        facts.limits = l;
        facts.matrix = GetParam().shape;
        facts.subgroup = 32;
        facts.most_of_subgroups = 1024;
        const auto shape = [&](int outs) { return vulkan::winograd_shape(facts, vulkan::Numbers::matrix, outs); };
        EXPECT_EQ(shape(64).outs, GetParam().threads > 256 ? 64U : 32U);
        EXPECT_EQ(shape(32).outs, 32U);
        facts.most_of_subgroups = 256;
        EXPECT_EQ(shape(64).outs, 32U);
        facts.subgroup = 128;
        EXPECT_EQ(shape(64).threads, 0U);
    };
    expect_right(device, true);
    EXPECT_GT(device.emulated_kernels, 0);
}

INSTANTIATE_TEST_SUITE_P(each, vulkan_emulated_matrices, testing::ValuesIn(kEmulated),
                         [](const auto& info) { return "of_" + std::string(info.param.name); });

// With less shared memory than Winograd's kernel takes: convolutions as they are, as of deep networks. Of two shapes:
// with the others loops over arrays come to more turns than lavapipe 22.3.6 seems to allow a thread; 25.0.7 does them.
TEST(vulkan_matrices, give_what_the_reference_computes_without_winograd_too) {
    ENLARGE_NEEDS_VULKAN();
    if (!has_half_arithmetic()) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic";
    for (const Emulated& one : {Emulated{"", {16, 16, 16}, 1024}, Emulated{"", {8, 16, 16}, 128}}) {
        SCOPED_TRACE(one.threads);
        FakeDevice device;
        device.emulated = one.shape;
        device.limits = [&](VkPhysicalDeviceLimits& l) {
            l.maxComputeWorkGroupInvocations = l.maxComputeWorkGroupSize[0] = one.threads;
            l.maxComputeSharedMemorySize = 28000;
        };
        expect_right(device, false);
        EXPECT_GT(device.emulated_kernels, 0);
    }
}

TEST(vulkan_matrices, of_the_device_give_what_the_reference_computes_with_one_result_for_all_tiles) {
    ENLARGE_NEEDS_VULKAN();
    if (const std::string why = no_matrices(); !why.empty()) GTEST_SKIP() << why;
    struct Form {
        std::uint32_t threads;
        bool winograd;
    };
    for (const Form& form : {Form{1024, true}, Form{256, true}, Form{1024, false}, Form{128, false}}) {
        FakeDevice device;
        device.matrices = true;
        device.limits = [&](VkPhysicalDeviceLimits& l) {
            for (std::uint32_t* most : {&l.maxComputeWorkGroupInvocations, &l.maxComputeWorkGroupSize[0]})
                *most = std::min(*most, form.threads);
            if (!form.winograd) l.maxComputeSharedMemorySize = 28000;
        };
        expect_right(device, form.winograd);
        EXPECT_EQ(device.emulated_kernels, 0);
    }
}

// Too little shared memory, no matrices, no arithmetic in half precision: what is without matrices.
TEST(vulkan_matrices, are_left_alone_where_the_kernel_does_not_fit) {
    ENLARGE_NEEDS_VULKAN();
    if (!has_half_arithmetic()) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic";
    for (const int what : {0, 1, 2, 3}) {
        SCOPED_TRACE(what);
        FakeDevice device;
        if (what != 1) device.emulated = {16, 16, 16};
        device.no_half_sums = what == 2;
        device.limits = [&](VkPhysicalDeviceLimits& l) {
            if (what == 0) l.maxComputeSharedMemorySize = 26000;
        };
        const auto program = test::must(test::vulkan_with(device)->compile(odd_network(), in_half()));
        EXPECT_EQ(multiplies_matrices(*program), what == 3) << program->info().description;
        EXPECT_EQ(program->info().precision, Precision::fp16);
    }
}

// 300 * 300 is more than half precision knows, and what transformed pixels are here; sums in single precision are not
// enough.
TEST(vulkan_matrices, are_taken_where_the_network_keeps_the_gate_with_them) {
    ENLARGE_NEEDS_VULKAN();
    if (!has_half_arithmetic()) GTEST_SKIP() << "this Vulkan device has no fp16 arithmetic";
    FakeDevice card;
    card.graphics_card = true;
    card.emulated = {16, 16, 16};
    const auto backend = test::vulkan_with(card, true);
    test::NetworkBuilder b(12, 3);
    const auto scaled = [&](int of, float factor) {
        return b.scale_shift(of, std::vector<float>(24, factor), std::vector<float>(24));
    };
    int x = scaled(b.conv(0, 24), 60000.0F);
    x = scaled(b.conv(x, 24), 1.0F / 60000.0F);
    b.conv(x, 3);
    const Graph good = test::compact_graph(3, {24, 2, 2, 3}), large = b.finish();
    EXPECT_TRUE(multiplies_matrices(*test::must(backend->compile(good, {}))));
    EXPECT_FALSE(multiplies_matrices(*test::must(backend->compile(large, {}))));
    EXPECT_NE(backend->probe().at(0).detail.find("rung 3"), std::string::npos);
}

// Words of an instruction of SPIR-V: count and kind, then names and numbers.
using Words = std::vector<std::uint32_t>;
Words instruction(std::uint32_t kind, Words words) {
    words.insert(words.begin(), static_cast<std::uint32_t>(words.size() + 1) << 16 | kind);
    return words;
}
Words code_of(const std::vector<Words>& instructions, std::uint32_t bound) {
    Words all{0x07230203, 0x10300, 0, bound, 0};
    for (const Words& one : instructions) all.insert(all.end(), one.begin(), one.end());
    return all;
}

TEST(vulkan_matrix_kernel, types_get_names_of_sizes_and_numbers_that_stand_before_them) {
    const Words matrices = instruction(17, {6022}), other = instruction(17, {1});
    const Words fp32 = instruction(22, {5, 32}), fp16 = instruction(22, {9, 16}), uint = instruction(21, {7, 32, 0});
    const Words b = instruction(4456, {8, 16, 3, 3, 2, 1}), c = instruction(4456, {6, 32, 3, 1, 2, 2});
    const Words code = code_of({matrices, fp32, c, uint, b, fp16}, 10);
    EXPECT_TRUE(vulkan::has_matrices(code));
    EXPECT_FALSE(vulkan::has_matrices(code_of({other, fp32}, 10)));
    const auto number = [](std::uint32_t name, std::uint32_t value) { return instruction(43, {7, name, value}); };
    const Words expected = code_of({matrices, fp16, fp32, uint, number(10, 3), number(11, 16), number(12, 8),
                                    number(13, 2), number(14, 1), instruction(4456, {6, 5, 10, 11, 12, 13}),
                                    instruction(4456, {8, 9, 10, 12, 12, 14})},
                                   15);
    EXPECT_EQ(vulkan::with_matrices(code, {16, 8, 8}), expected);
}

}  // namespace
}  // namespace enlarge
