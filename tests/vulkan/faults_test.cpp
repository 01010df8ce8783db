// SPDX-License-Identifier: Apache-2.0
// Drivers that fail, and devices that can less.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "backend/reference/reference.hpp"
#include "base/log.hpp"
#include "device.hpp"
#include "fake_device.hpp"
#include "run/enlarger.hpp"
#include "support/run_program.hpp"
#include "support/tensor_cases.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;
using test::FakeDevice;
using test::FloatPicture;

const Graph& small_network() {
    static const Graph graph = test::compact_graph(3, {8, 1, 2, 3});
    return graph;
}

Result<FloatPicture> enlarged(const Backend& backend, const Graph& graph, FloatPicture picture,
                              const CompileOptions& options = {}) {
    TRY(const auto program, backend.compile(graph, options));
    TRY(const auto session, program->session());
    const int scale = program->info().scale;
    FloatPicture out(picture.channels, {picture.size.width * scale, picture.size.height * scale});
    TRY(session->run({picture.view(), {0, 0, picture.size.width, picture.size.height}, out.view()}));
    return out;
}

FloatPicture picture() { return test::random_picture(5, 3, {12, 8}); }
FloatPicture truth() { return test::run_whole(reference_backend(), small_network(), picture()); }

class vulkan_faults_of : public testing::TestWithParam<Precision> {};

INSTANTIATE_TEST_SUITE_P(each, vulkan_faults_of, testing::Values(Precision::fp32, Precision::fp16),
                         [](const auto& info) { return std::string(precision_name(info.param)); });

TEST_P(vulkan_faults_of, lack_of_memory_at_any_call_is_an_error_and_the_next_try_works) {
    ENLARGE_NEEDS_VULKAN();
    CompileOptions options;
    options.precision = GetParam();
    if (options.precision == Precision::fp16 && vulkan_backend().probe().at(0).precisions.size() < 2)
        GTEST_SKIP() << "this Vulkan device has no 16-bit storage";
    const bool copies = options.precision == Precision::fp16;  // also with a queue of their own
    const double bound = options.precision == Precision::fp16 ? 0.02 : 1e-4;
    const FloatPicture wanted = truth();
    int failed = 0;
    std::set<std::string> functions;
    for (int call = 0;; ++call) {
        FakeDevice device;
        device.graphics_card = device.transfer_queue = copies;
        const auto backend = test::vulkan_with(device);
        device.fail_at = call;
        const auto first = enlarged(*backend, small_network(), picture(), options);
        if (device.failed.empty()) {
            EXPECT_TRUE(first.ok());
            break;
        }
        functions.insert(device.failed);
        ++failed;
        ASSERT_FALSE(first.ok()) << device.failed << ", call " << call;
        EXPECT_EQ(first.error().code, Errc::memory) << device.failed << ": " << first.error().message;
        EXPECT_NE(first.error().message.find("out of device memory"), std::string::npos) << first.error().message;
        const auto second = enlarged(*backend, small_network(), picture(), options);
        ASSERT_TRUE(second.ok()) << device.failed << ": " << second.error().message;
        EXPECT_LE(test::largest_difference(*second, wanted), bound) << device.failed;
    }
    std::cout << failed << " calls of " << functions.size() << " functions failed in turn\n";
    EXPECT_GT(failed, 30);
    EXPECT_GT(functions.size(), 14U);
}

TEST(vulkan_faults, a_device_lost_anywhere_is_one_sentence_and_is_opened_anew) {
    ENLARGE_NEEDS_VULKAN();
    int lost = 0;
    for (const char* function : {"vkQueueSubmit", "vkWaitSemaphores"})
        for (int call = 0;; ++call) {
            FakeDevice device;
            const auto backend = test::vulkan_with(device);
            device.only = function;
            device.fail_at = call;
            device.failure = VK_ERROR_DEVICE_LOST;
            const auto first = enlarged(*backend, small_network(), picture());
            if (device.failed.empty()) break;
            ++lost;
            ASSERT_FALSE(first.ok()) << function << ", call " << call;
            EXPECT_EQ(first.error().code, Errc::device);
            EXPECT_NE(first.error().message.find("stopped working"), std::string::npos) << first.error().message;
            const auto second = enlarged(*backend, small_network(), picture());
            ASSERT_TRUE(second.ok()) << second.error().message;
            EXPECT_LE(test::largest_difference(*second, truth()), 1e-4);
        }
    EXPECT_GE(lost, 6);
}

TEST(vulkan_faults, devices_that_can_less_give_the_same_picture) {
    ENLARGE_NEEDS_VULKAN();
    const Graph normed = test::tensor_network(test::kTensorCases[0]);
    struct Case {
        const char* name;
        std::function<void(FakeDevice&)> make;
    };
    const Case cases[] = {
        {"256 threads", [](FakeDevice& d) {
             d.limits = [](VkPhysicalDeviceLimits& l) { l.maxComputeWorkGroupInvocations = 256; };
         }},
        {"128 threads", [](FakeDevice& d) {
             d.limits = [](VkPhysicalDeviceLimits& l) { l.maxComputeWorkGroupInvocations = 128; };
         }},
        {"few work groups", [](FakeDevice& d) {
             d.limits = [](VkPhysicalDeviceLimits& l) { l.maxComputeWorkGroupCount[0] = 2; };
         }},
        {"bindings at multiples of 256 bytes", [](FakeDevice& d) {
             d.limits = [](VkPhysicalDeviceLimits& l) { l.minStorageBufferOffsetAlignment = 256; };
         }},
        {"no fp16", [](FakeDevice& d) { d.no_half = true; }},
        {"no fp16 arithmetic", [](FakeDevice& d) { d.no_half_sums = true; }},
        {"a queue for copies", [](FakeDevice& d) { d.graphics_card = d.transfer_queue = true; }},
        {"256 threads, no fp16, two heaps, bindings of 128 MB",
         [](FakeDevice& d) {
             d.limits = [](VkPhysicalDeviceLimits& l) {
                 l.maxComputeWorkGroupInvocations = 256;
                 l.maxStorageBufferRange = 1U << 27;
             };
             d.no_half = d.two_heaps = true;
         }},
        {"fences", [](FakeDevice& d) { d.no_timeline = true; }},
        {"two heaps", [](FakeDevice& d) { d.two_heaps = true; }},
    };
    for (const Case& one : cases) {
        FakeDevice device;
        one.make(device);
        const auto backend = test::vulkan_with(device);
        for (const Graph* graph : {&small_network(), &normed}) {
            const auto got = enlarged(*backend, *graph, picture());
            ASSERT_TRUE(got.ok()) << one.name << ": " << got.error().message;
            const FloatPicture wanted = test::run_whole(reference_backend(), *graph, picture());
            EXPECT_LE(test::largest_difference(*got, wanted), 1e-4) << one.name;
        }
    }
}

TEST(vulkan_faults, devices_that_can_too_little_say_so) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    device.limits = [](VkPhysicalDeviceLimits& l) { l.maxPerStageDescriptorStorageBuffers = 4; };
    const auto backend = test::vulkan_with(device);
    const auto devices = backend->probe();
    EXPECT_FALSE(devices.at(0).usable);
    EXPECT_EQ(devices.at(0).detail, "4 buffers for a kernel; 8 are needed");
    const auto program = backend->compile(small_network(), {});
    ASSERT_FALSE(program.ok());
    EXPECT_EQ(program.error().code, Errc::device);
}

// What a device makes of a picture, and of how many tiles.
std::pair<FloatPicture, std::int64_t> enlarged_on(FakeDevice& device) {
    const auto backend = test::vulkan_with(device);
    const auto graph = std::make_shared<const Graph>(small_network());
    const std::shared_ptr<const Program> program = test::must(backend->compile(*graph, {}));
    const auto engine = std::make_shared<NetworkEngine>(graph, *backend, CompileOptions{}, program);
    FloatPicture in = test::random_picture(6, 3, {64, 48}), out(3, {128, 96});
    Enlarger enlarger(engine, {});
    const UpscaleReport report = test::must(enlarger.run(in.view(), out.view(), {}));
    return {out, report.tiles};
}

// Tiles whose tensors no binding holds are cut in two, and the bits stay.
TEST(vulkan_faults, small_bindings_cut_tiles) {
    ENLARGE_NEEDS_VULKAN();
    const auto run = [](std::uint32_t range) {
        FakeDevice device;
        device.limits = [range](VkPhysicalDeviceLimits& l) { l.maxStorageBufferRange = range; };
        return enlarged_on(device);
    };
    const auto [whole, tiles] = run(1U << 27);
    const auto [cut, more_tiles] = run(1U << 15);
    EXPECT_EQ(tiles, 1);
    EXPECT_GT(more_tiles, 4);
    EXPECT_TRUE(test::same_bits(whole, cut));
}

// Bindings of 128 MB, the least that Vulkan promises: a tile whose features are more is refused before anything is
// allocated, so that a smaller one is chosen.
TEST(vulkan_faults, bindings_of_128_megabytes_bound_tiles) {
    ENLARGE_NEEDS_VULKAN();
    const auto fits = [](std::uint32_t range, int side) {
        FakeDevice device;
        device.limits = [range](VkPhysicalDeviceLimits& l) { l.maxStorageBufferRange = range; };
        const auto backend = test::vulkan_with(device);
        const auto program = test::must(backend->compile(small_network(), {}));  // 12 numbers of a pixel at most
        return program->memory_bytes({side, side}) < std::int64_t{1} << 40;
    };
    EXPECT_TRUE(fits(1U << 27, 1600));   // 123 MB
    EXPECT_FALSE(fits(1U << 27, 1700));  // 139 MB
    EXPECT_TRUE(fits(1U << 30, 1700));
}

// Blocks of more than this fail, as on a card whose memory others hold: tiles are cut in two, and the bits stay.
TEST(vulkan_faults, lack_of_memory_for_large_blocks_cuts_tiles) {
    ENLARGE_NEEDS_VULKAN();
    const auto run = [](VkDeviceSize most) {
        FakeDevice device;
        device.largest_block = most;
        return enlarged_on(device);
    };
    const auto [whole, tiles] = run(0);
    const auto [cut, more_tiles] = run(150'000);
    EXPECT_EQ(tiles, 1);
    EXPECT_GT(more_tiles, 1);
    EXPECT_TRUE(test::same_bits(whole, cut));
}

// A device that says how much of its memory is free is asked for no more.
TEST(vulkan_faults, tiles_fit_what_the_driver_says_is_free) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    device.free_bytes = 300'000;
    const auto backend = test::vulkan_with(device);
    const auto program = test::must(backend->compile(small_network(), {}));
    EXPECT_LT(program->memory_bytes({32, 32}), 300'000);
    EXPECT_GT(program->memory_bytes({512, 512}), std::int64_t{1} << 40) << "more than there is";
    EXPECT_LE(device.largest_asked, 300'000U);
}

// What a frame of a film gets when the device is lost under it; a picture gets the error.
TEST(vulkan_faults, films_go_on_with_the_processor_when_the_device_is_lost) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    const auto backend = test::vulkan_with(device);
    const auto graph = std::make_shared<const Graph>(small_network());
    const std::shared_ptr<const Program> program = test::must(backend->compile(*graph, {}));
    const auto engine = std::make_shared<NetworkEngine>(graph, *backend, CompileOptions{}, program);
    FloatPicture in = picture(), out(3, {24, 16});
    Enlarger film(engine, {}), still(engine, {});
    device.only = "vkQueueSubmit";
    device.failure = VK_ERROR_DEVICE_LOST;
    device.fail_at = device.calls = 0;
    const auto failed = still.run(in.view(), out.view(), {});
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Errc::device);
    ASSERT_TRUE(film.run(in.view(), out.view(), {}, InputKind::frame).ok());
    EXPECT_LE(test::largest_difference(out, truth()), 1e-4);
    EXPECT_TRUE(film.run(in.view(), out.view(), {}, InputKind::frame).ok()) << "the next frame";
}

TEST(vulkan_faults, black_tiles_are_computed_again_on_the_processor) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    const auto backend = test::vulkan_with(device);
    device.does_nothing = true;
    std::vector<std::string> said;
    set_log_sink([&](LogLevel, const Notice& line) {
        if (line.code == "tile-black") said.emplace_back(line.text);
    });
    const auto got = enlarged(*backend, small_network(), picture());
    set_log_sink({});
    ASSERT_TRUE(got.ok()) << got.error().message;
    EXPECT_LE(test::largest_difference(*got, truth()), 1e-4);
    ASSERT_EQ(said.size(), 1U);
    EXPECT_NE(said[0].find("12x8"), std::string::npos) << said[0];
}

// The self-check sees what the device computes, not what is computed again for it.
TEST(vulkan_faults, a_device_that_gives_black_pictures_is_refused) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    const auto backend = test::vulkan_with(device, true);
    device.does_nothing = true;
    const auto program = backend->compile(small_network(), {});
    ASSERT_FALSE(program.ok());
    EXPECT_EQ(program.error().code, Errc::device);
    EXPECT_NE(program.error().message.find("does not compute this network right"), std::string::npos);
}

// Black in and black out is right for many networks: the device's answer stands.
TEST(vulkan_faults, black_pictures_stay_with_the_device) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice device;
    const auto backend = test::vulkan_with(device);
    device.does_nothing = true;
    const auto got = enlarged(*backend, small_network(), FloatPicture(3, {12, 8}));
    ASSERT_TRUE(got.ok()) << got.error().message;
    for (const float value : got->values) ASSERT_EQ(value, 0.0F);
}

TEST(vulkan_faults, a_device_that_computes_wrongly_is_refused_and_that_is_kept) {
    ENLARGE_NEEDS_VULKAN();
    const fs::path folder = fs::temp_directory_path() / ("enlarge-vulkan-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    CompileOptions options;
    options.cache_folder = folder.string();
    const auto files = [&](const char* ending) {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(folder))
            if (entry.path().extension() == ending) found.push_back(entry.path());
        return found;
    };
    {
        FakeDevice device;
        device.skips_items = true;
        const auto backend = test::vulkan_with(device, true);
        const auto program = backend->compile(small_network(), options);
        ASSERT_FALSE(program.ok());
        EXPECT_EQ(program.error().code, Errc::device);
        EXPECT_NE(program.error().message.find("does not compute this network right"), std::string::npos)
            << program.error().message;
    }
    ASSERT_EQ(files(".check").size(), 1U);
    FakeDevice device;  // a good one, but the verdict stands
    EXPECT_FALSE(test::vulkan_with(device, true)->compile(small_network(), options).ok());
    std::ofstream(files(".check")[0]) << "enlarge-vulkan-check 1\nnonsense";
    EXPECT_TRUE(test::vulkan_with(device, true)->compile(small_network(), options).ok()) << "a damaged verdict";
    EXPECT_TRUE(test::vulkan_with(device, true)->compile(small_network(), options).ok()) << "a kept one";
    // Kernels are kept too; what is damaged is not shown to the driver.
    ASSERT_EQ(files(".pipelines").size(), 1U);
    const fs::path kept = files(".pipelines")[0];
    fs::resize_file(kept, fs::file_size(kept) - 3);
    EXPECT_TRUE(test::vulkan_with(device, true)->compile(small_network(), options).ok());
    fs::remove_all(folder);
}

}  // namespace
}  // namespace enlarge
