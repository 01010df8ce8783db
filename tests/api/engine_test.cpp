// SPDX-License-Identifier: Apache-2.0
// Engines and sessions from outside: public headers only.
#include <enlarge/bench.hpp>
#include <enlarge/engine.hpp>
#include <enlarge/media.hpp>
#include <enlarge/models.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "pictures.hpp"
#include "support/source_folder.hpp"

namespace {

using namespace enlarge;
using test::picture;
using test::same;

constexpr const char* kModel = "swift-x4";

Engine engine(const EngineOptions& options = {}) {
    return Engine::create(Model::open(kModel).value(), options).value();
}

TEST(engine, is_compiled_once_and_its_sessions_run_side_by_side_with_the_upscalers_bits) {
    const Model model = Model::open(kModel).value();
    const Image small = picture({64, 48});
    const Image expected = Upscaler::create(model)->upscale(small.view()).value();
    const Engine shared = Engine::create(model).value();
    std::vector<std::thread> threads;
    std::vector<int> right(4);
    for (std::size_t i = 0; i < right.size(); ++i)
        threads.emplace_back([&, i] {
            Engine::Session session = shared.session();
            for (int run = 0; run < 3; ++run)
                if (same(expected, session.upscale(small.view()).value())) ++right[i];
        });
    for (std::thread& thread : threads) thread.join();
    for (const int count : right) EXPECT_EQ(count, 3);
}

TEST(engine, is_kept_alive_by_its_sessions) {
    Engine::Session session = engine().session();
    EXPECT_EQ(session.info().model.name, kModel);
    EXPECT_EQ(session.upscale(picture({20, 10}).view())->size(), (Size{80, 40}));
}

TEST(engine, says_on_what_it_runs_and_how) {
    const EngineInfo info = engine({.device = "reference"}).info();
    EXPECT_EQ(info.device.kind, DeviceKind::reference);
    EXPECT_EQ(info.device.id, "reference");
    EXPECT_EQ(info.precision, Precision::fp32);
    EXPECT_EQ(info.device.precisions, std::vector<Precision>{Precision::fp32});
    EXPECT_FALSE(info.device.takes_frames);
    EXPECT_EQ(info.devices, 1);
    EXPECT_NE(info.description.find("reference"), std::string::npos);
    EXPECT_TRUE(info.plain_loops);
    EXPECT_FALSE(engine({.device = "cpu"}).info().plain_loops);
    for (const DeviceInfo& device : devices()) {
        EXPECT_EQ(device.usable, !device.precisions.empty()) << device.id;
        if (device.usable) {
            EXPECT_EQ(device.precisions.front(), Precision::fp32) << device.id;
        }
        EXPECT_EQ(device.fallback_to.empty(), device.kind != DeviceKind::gpu) << device.id;
        // A device may be asked for by each precision that it names.
        if (device.kind != DeviceKind::cpu || !device.usable) continue;
        for (const Precision precision : device.precisions)
            EXPECT_EQ(engine({.device = device.id, .precision = precision}).info().precision, precision);
    }
}

TEST(engine, keeps_to_its_limits) {
    const Image small = picture({40, 30});
    Engine::Session by_pixels = engine({.limits = {.pixels = 40 * 30 * 15}}).session();
    EXPECT_EQ(by_pixels.upscale(small.view()).error().code, Errc::limit);  // 160x120 are too many
    EXPECT_TRUE(by_pixels.upscale(small.view(), {.scale = 2}).ok());
    Engine::Session by_side = engine({.limits = {.side = 39}}).session();
    const auto refused = by_side.upscale(small.view(), {.scale = 0.5});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::limit);
    EXPECT_NE(refused.error().message.find("40x30"), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("39 a side"), std::string::npos) << refused.error().message;
    EXPECT_EQ(by_side.memory_for({40, 30}, kRgb8).error().code, Errc::limit);
    // The smaller of both limits on memory.
    const EngineOptions tight_ones[] = {{.memory_bytes = 1000},
                                        {.limits = {.memory_bytes = 1000}},
                                        {.memory_bytes = 1 << 30, .limits = {.memory_bytes = 1000}}};
    for (const EngineOptions& options : tight_ones) {
        Engine::Session tight = engine(options).session();
        EXPECT_EQ(tight.upscale(small.view()).error().code, Errc::memory);
        EXPECT_EQ(tight.memory_for(small.size(), kRgb8).error().code, Errc::memory);
    }
    EXPECT_EQ(Model::read(std::vector<std::byte>(100), "x", {.file_bytes = 10}).error().code, Errc::limit);
}

TEST(session, tells_the_memory_that_it_will_take_and_takes_none) {
    Engine::Session session = engine({.precision = Precision::fp32}).session();
    const std::int64_t one = session.memory_for({256, 192}, kRgb8).value();
    const std::int64_t four = session.memory_for({512, 384}, kRgb8).value();
    EXPECT_GT(one, 256 * 192 * 3);
    EXPECT_GT(four, one);
    EXPECT_GT(session.memory_for({256, 192}, kRgb8, {.scale = 3}).value(), one);  // a filter behind the network
    // What is told is what the limit counts, for a picture of that format without colour: with much less any is cut.
    Engine::Session enough = engine({.precision = Precision::fp32, .memory_bytes = one}).session();
    EXPECT_EQ(enough.memory_for({256, 192}, kRgb8).value(), one);
    Image out({1024, 768}, kRgb8);
    EXPECT_EQ(enough.upscale(picture({256, 192}).view(), out.view())->tiles, 1);
    Engine::Session less = engine({.precision = Precision::fp32, .memory_bytes = one / 3}).session();
    EXPECT_LE(less.memory_for({256, 192}, kRgb8).value(), one / 3 + 64 * 256);
    EXPECT_GT(less.upscale(picture({256, 192}).view(), out.view())->tiles, 1);
}

TEST(session, is_stopped_from_another_thread_and_by_the_time) {
    Engine::Session session = engine({.device = "reference"}).session();
    const Image small = picture({400, 300});
    const Cancellation stop = Cancellation::create();
    std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.cancel();
    });
    const auto stopped = session.upscale(small.view(), OutputSize{}, {.cancel = stop});
    stopper.join();
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, Errc::cancelled);
    EXPECT_EQ(stopped.error().message, "stopped by the caller");
    const auto late = session.upscale(small.view(), OutputSize{}, {.cancel = Cancellation::after(0.02)});
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, Errc::cancelled);
    EXPECT_EQ(late.error().message, "the time limit of 0.02 s is over");
    // The session goes on.
    EXPECT_TRUE(session.upscale(picture({8, 8}).view(), OutputSize{}, {.cancel = Cancellation::create()}).ok());
}

TEST(cancellation, is_one_request_however_often_it_is_copied) {
    const Cancellation none, asked = Cancellation::create(), copy = asked;
    none.cancel();
    EXPECT_FALSE(none.requested());
    EXPECT_FALSE(none.possible());
    EXPECT_TRUE(copy.check().ok());
    asked.cancel();
    EXPECT_TRUE(copy.requested());
    EXPECT_EQ(copy.check().error().code, Errc::cancelled);
    EXPECT_TRUE(Cancellation::after(-5).requested());
    EXPECT_TRUE(Cancellation::after(0.0 / 0.0 * 1.0).requested());
    EXPECT_FALSE(Cancellation::after(1e300).requested());
}

TEST(cancellation, stops_videos_downloads_and_benchmarks_alike) {
    const Cancellation stop = Cancellation::create();
    stop.cancel();
    Engine::Session session = engine().session();
    const std::string clip = test::source_folder() + "/samples/clip.mp4";
    const std::string out = (std::filesystem::temp_directory_path() / "enlarge-cancelled.mkv").string();
    VideoOptions options;
    options.notice = [](const Notice&) {};
    options.cancel = stop;
    EXPECT_EQ(enlarge_video(session, clip, out, options).error().code, Errc::cancelled);
    options.cancel = Cancellation::after(0.3);  // while frames are made
    options.size.scale = 8;
    const auto late = enlarge_video(session, clip, out, options);
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, Errc::cancelled);
    EXPECT_FALSE(std::filesystem::exists(out));
    std::filesystem::remove_all(out + ".enlarge");
    EXPECT_EQ(pull_model("realesr-general-x4v3", {}, stop).error().code, Errc::cancelled);
    BenchOptions bench_options;
    bench_options.size = {32, 24};
    bench_options.cancel = stop;
    EXPECT_EQ(bench(Model::open(kModel).value(), bench_options).error().code, Errc::cancelled);
}

TEST(engine, sends_its_lines_to_its_own_sink) {
    std::mutex mutex;
    std::string process, own, other;
    const auto into = [&mutex](std::string& text) {
        return [&mutex, &text](LogLevel, const Notice& line) {
            const std::lock_guard lock(mutex);
            text += line.text + "\n";
        };
    };
    set_log_sink(into(process));
    Engine::Session session = engine({.log = into(own)}).session(), quiet = engine({.log = into(other)}).session();
    Engine::Session open = engine().session();
    const std::string before = process;
    Image out({600, 400}, kRgb8);
    ASSERT_TRUE(session.upscale(picture({12, 8}).view(), out.view()).ok());
    EXPECT_NE(own.find("runs 3 times"), std::string::npos) << own;
    EXPECT_EQ(process, before);
    EXPECT_EQ(other.find("runs 3 times"), std::string::npos);
    ASSERT_TRUE(open.upscale(picture({12, 8}).view(), out.view()).ok());
    EXPECT_NE(process.find("runs 3 times"), std::string::npos);
    set_log_sink({});
}

}  // namespace
