// SPDX-License-Identifier: Apache-2.0
// Several devices in one machine: the same driver's device, shown more than once.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "backend/vulkan/self_check.hpp"
#include "device.hpp"
#include "fake_device.hpp"
#include "support/networks.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;
using test::FakeDevice;
using test::FloatPicture;

Graph network() { return test::compact_graph(3, {8, 1, 2, 3}); }

CompileOptions on(int device) {
    CompileOptions options;
    options.device = device;
    return options;
}

TEST(vulkan_devices, of_one_kind_share_a_job_and_give_the_same_bits) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice pair;
    pair.devices = 2;
    const auto backend = test::vulkan_with(pair);
    EXPECT_EQ(backend->probe().size(), 2U);
    const auto program = test::must(backend->compile(network(), on(-1)));
    EXPECT_EQ(program->devices(), 2);
    EXPECT_NE(program->info().description.find("on 2 devices"), std::string::npos);
    EXPECT_EQ(pair.opened, 2);
    FloatPicture picture = test::random_picture(5, 3, {12, 8});
    std::vector<FloatPicture> results;
    for (std::size_t i = 0; i < 2; ++i) {
        pair.submitted.clear();
        const auto session = test::must(program->session());
        results.push_back(test::run_tile(*session, program->info(), picture, {0, 0, 12, 8}, {0, 0, 12, 8}));
        EXPECT_EQ(pair.submitted.size(), 1U) << "a session has one device";
    }
    EXPECT_TRUE(test::same_bits(results[0], results[1]));
    EXPECT_EQ(test::must(backend->compile(network(), on(1)))->devices(), 1) << "named";
}

// Pictures of 8 bits, whose rows are no whole words, in pieces too: by a queue that only copies as by kernels.
TEST(vulkan_devices, a_queue_for_copies_changes_no_bits) {
    ENLARGE_NEEDS_VULKAN();
    const auto run = [](bool transfers) {
        FakeDevice card;
        card.graphics_card = card.no_half = true;
        card.transfer_queue = transfers;
        const auto backend = test::vulkan_with(card);
        const auto program = test::must(backend->compile(network(), on(0)));
        const auto session = test::must(program->session());
        EXPECT_EQ(card.transfer_pools, transfers ? 1 : 0);
        std::vector<std::vector<std::byte>> results;
        for (const Size size : {Size{13, 9}, Size{31, 18}, Size{13, 9}}) {
            Image in(size, {SampleType::u8, 8, 3, false}), out({2 * size.width, 2 * size.height}, in.format());
            for (int y = 0; y < size.height; ++y)
                for (int x = 0; x < 3 * size.width; ++x)
                    in.view().row(0, y)[x] = static_cast<std::byte>(7 * x + 31 * y);
            const Rect core{2, 1, size.width - 3, size.height - 2};
            const MutableImageView part = out.view().part({0, 0, 2 * core.width, 2 * core.height});
            EXPECT_TRUE(test::must(session->run({in.view(), core, part})).finite);
            for (int y = 0; y < part.size.height; ++y)
                results.emplace_back(part.row(0, y), part.row(0, y) + 3 * part.size.width);
        }
        return results;
    };
    const auto plain = run(false);
    EXPECT_EQ(run(true), plain);
    EXPECT_GT(std::count_if(plain[5].begin(), plain[5].end(), [](std::byte b) { return b != std::byte{0}; }), 10);
}

TEST(vulkan_devices, of_two_kinds_are_not_mixed) {
    ENLARGE_NEEDS_VULKAN();
    FakeDevice pair;
    pair.devices = 2;
    pair.names_differ = true;
    const auto backend = test::vulkan_with(pair);
    EXPECT_EQ(backend->probe().at(1).name, "the second card");
    EXPECT_EQ(test::must(backend->compile(network(), on(-1)))->devices(), 1);
}

// What was measured decides, whichever stands first.
TEST(vulkan_devices, the_fastest_is_taken_by_the_kept_measurement) {
    ENLARGE_NEEDS_VULKAN();
    const fs::path folder = fs::temp_directory_path() / ("enlarge-vulkan-devices-" + std::to_string(::getpid()));
    for (const std::size_t faster : {0U, 1U}) {
        fs::remove_all(folder);
        FakeDevice pair;
        pair.devices = 2;
        pair.names_differ = pair.graphics_card = pair.no_half = true;
        CompileOptions options = on(-1);
        options.cache_folder = folder.string();
        std::string name;
        {
            const auto instance = test::must(vulkan::Instance::open("libvulkan.so.1", &pair));
            const auto all = test::must(vulkan::list_devices(*instance));
            for (std::size_t i = 0; i < 2; ++i) {
                vulkan::Verdict verdict;
                verdict.device_ms = i == faster ? 2 : 5;
                verdict.cpu_ms = 9;
                vulkan::store_verdict(options.cache_folder,
                                      vulkan::verdict_name(network(), all[i], vulkan::Numbers::fp32), verdict);
            }
            name = all[faster].name;
        }
        const auto backend = test::vulkan_with(pair, true);
        const auto program = test::must(backend->compile(network(), options));
        EXPECT_NE(program->info().description.find(name), std::string::npos) << program->info().description;
    }
    fs::remove_all(folder);
}

}  // namespace
}  // namespace enlarge
