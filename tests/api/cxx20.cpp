// SPDX-License-Identifier: Apache-2.0
// The C++ interface from outside, with a built-in model: public headers only.
#include <enlarge/enlarge.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "pictures.hpp"

namespace {

using namespace enlarge;
using test::picture;
using test::same;

Model default_model() { return Model::open(kDefaultModel).value(); }

TEST(upscaler, enlarges_a_picture_with_the_built_in_model) {
    const Model model = default_model();
    auto upscaler = Upscaler::create(model);
    ASSERT_TRUE(upscaler) << upscaler.error().message;
    EXPECT_FALSE(upscaler->description().empty());
    EXPECT_EQ(upscaler->model().name, kDefaultModel);
    const Image small = picture({40, 30});
    const auto big = upscaler->upscale(small.view());
    ASSERT_TRUE(big) << big.error().message;
    EXPECT_EQ(big->size().width, 40 * model.info().scale);
    EXPECT_EQ(big->format(), kRgb8);
}

TEST(upscaler, gives_the_same_bits_with_any_number_of_threads) {
    const Model model = default_model();
    const Image small = picture({90, 70});
    auto one = Upscaler::create(model, {.precision = Precision::fp32, .threads = 1});
    ASSERT_TRUE(one);
    const Image expected = one->upscale(small.view()).value();
    for (const int threads : {2, 3, 5}) {
        auto many = Upscaler::create(model, {.precision = Precision::fp32, .threads = threads});
        ASSERT_TRUE(many);
        EXPECT_TRUE(same(expected, many->upscale(small.view()).value())) << threads;
        EXPECT_TRUE(same(expected, many->upscale(small.view()).value())) << threads << ", again";
    }
    auto tiled = Upscaler::create(model, {.precision = Precision::fp32, .tile = 24});
    ASSERT_TRUE(tiled);
    EXPECT_TRUE(same(expected, tiled->upscale(small.view()).value()));
}

TEST(upscaler, several_share_one_pool_and_run_side_by_side) {
    const Model model = default_model();
    const Image small = picture({64, 48});
    const Image expected = Upscaler::create(model)->upscale(small.view()).value();
    std::vector<std::thread> threads;
    std::vector<int> right(4);
    for (std::size_t i = 0; i < right.size(); ++i)
        threads.emplace_back([&, i] {
            auto upscaler = Upscaler::create(model);
            for (int run = 0; run < 3; ++run)
                if (same(expected, upscaler->upscale(small.view()).value())) ++right[i];
        });
    for (std::thread& thread : threads) thread.join();
    for (const int count : right) EXPECT_EQ(count, 3);
}

TEST(upscaler, gives_any_output_size) {
    auto upscaler = Upscaler::create(default_model());
    ASSERT_TRUE(upscaler);
    const Image small = picture({40, 30});
    EXPECT_EQ(upscaler->upscale(small.view(), {.scale = 1.5})->size(), (Size{60, 45}));
    EXPECT_EQ(upscaler->upscale(small.view(), {.scale = 0.5})->size(), (Size{20, 15}));
    EXPECT_EQ(upscaler->upscale(small.view(), {.width = 100})->size(), (Size{100, 75}));
    EXPECT_EQ(upscaler->upscale(small.view(), {.width = 100, .height = 60})->size(), (Size{80, 60}));
    EXPECT_EQ(upscaler->upscale(small.view(), {.width = 100, .height = 60, .fit = false})->size(), (Size{100, 60}));
    Image out({320, 240}, kRgb8);
    const auto report = upscaler->upscale(small.view(), out.view());
    ASSERT_TRUE(report);
    EXPECT_EQ(report->passes, 2);
    EXPECT_EQ(report->output, (Size{320, 240}));
}

TEST(upscaler, refuses_options_that_cannot_be_meant) {
    const Model model = default_model();
    EXPECT_FALSE(Upscaler::create(model, {.device = "abacus"}));
    EXPECT_FALSE(Upscaler::create(model, {.device = "cpu:first"}));
    EXPECT_FALSE(Upscaler::create(model, {.threads = -1}));
    EXPECT_FALSE(Upscaler::create(model, {.memory_bytes = -1}));
    EXPECT_FALSE(Upscaler::create(model, {.tile = -1}));
    EXPECT_FALSE(Model::open("/no/such/model.pth"));
    auto tight = Upscaler::create(model, {.memory_bytes = 1000});
    ASSERT_TRUE(tight);
    const auto refused = tight->upscale(picture({40, 30}).view());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::memory);
}

TEST(resolve, says_how_large_the_output_will_be) {
    EXPECT_EQ(resolve({}, {10, 20}, 4).value(), (Size{40, 80}));
    EXPECT_EQ(resolve({.scale = 1.5}, {11, 3}, 4).value(), (Size{17, 5}));
    EXPECT_EQ(resolve({.scale = 0.01}, {10, 20}, 4).value(), (Size{1, 1}));
    EXPECT_EQ(resolve({.height = 40}, {10, 20}, 4).value(), (Size{20, 40}));
    for (const OutputSize& wrong : {OutputSize{.scale = -1}, OutputSize{.scale = 2, .width = 5}, OutputSize{.width = -5}}) {
        const auto refused = resolve(wrong, {10, 20}, 4);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::argument);
    }
    EXPECT_EQ(resolve({.scale = 1e9}, {1000, 1000}, 4).error().code, Errc::limit);
    EXPECT_FALSE(resolve({}, {0, 20}, 4));
}

TEST(devices, lists_the_processor_and_the_reference) {
    bool reference = false;
    for (const DeviceInfo& device : devices()) {
        EXPECT_FALSE(device.id.empty());
        EXPECT_FALSE(device.name.empty());
        reference = reference || (device.id == "reference" && device.usable);
    }
    EXPECT_TRUE(reference);
}

}  // namespace
