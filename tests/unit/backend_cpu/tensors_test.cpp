// SPDX-License-Identifier: Apache-2.0
// Networks that run node by node: every operation with code of its own against the reference, in tiles where tiles are
// exact.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "backend/cpu/cpu.hpp"
#include "backend/cpu/tensors/session.hpp"
#include "backend/reference/reference.hpp"
#include "base/cpu.hpp"
#include "support/run_program.hpp"
#include "support/tensor_cases.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;
using test::NetworkBuilder;
using test::conv;
using test::normed;
using test::numbers;

class cpu_tensors : public testing::TestWithParam<test::TensorCase> {};

TEST_P(cpu_tensors, compute_what_the_reference_computes) {
    const Graph graph = test::tensor_network(GetParam());
    const FloatPicture picture = test::random_picture(8, 3, {44, 28});
    const FloatPicture expected = test::run_whole(reference_backend(), graph, picture);
    for (const int threads : {1, 2}) {
        ThreadPool pool(threads);
        CompileOptions options;
        options.precision = Precision::fp32;
        options.pool = &pool;
        const auto program = test::must(cpu_backend().compile(graph, options));
        EXPECT_NE(program->info().description.find("node by node"), std::string::npos);
        EXPECT_EQ(program->info().description.find("plain loops"), std::string::npos) << program->info().description;
        EXPECT_EQ(program->info().halo != kWholePicture, GetParam().tiles);
        const FloatPicture whole = test::run_tiled(*program, picture, 1 << 16);
        EXPECT_LE(test::largest_difference(expected, whole), 3e-5);
        for (const int side : {4, 12, 24}) EXPECT_TRUE(test::same_bits(whole, test::run_tiled(*program, picture, side))) << "tile " << side;
    }
}

INSTANTIATE_TEST_SUITE_P(each, cpu_tensors, testing::ValuesIn(test::kTensorCases), [](const auto& info) { return std::string(info.param.name); });

// A whole picture within so many bytes.
FloatPicture run_within(const Program& program, FloatPicture picture, std::int64_t memory) {
    FloatPicture out(program.info().channels, {picture.size.width * program.info().scale, picture.size.height * program.info().scale});
    TileJob job{picture.view(), {0, 0, picture.size.width, picture.size.height}, out.view()};
    job.memory_bytes = memory;
    EXPECT_TRUE(test::must(test::must(program.session())->run(job)).finite);
    return out;
}

// Means between strided, cropped and enlarged results, one of them used far behind the others.
Graph with_means() {
    NetworkBuilder b(5, 3);
    const auto excite = [&](int x) {
        const int small = b.append(op::LeakyRelu{}, {b.conv(b.append(op::GlobalMean{}, {x}), 4, 1)});
        return b.append(op::Multiply{}, {x, b.append(op::Sigmoid{}, {b.conv(small, b.channels(x), 1)})});
    };
    const int first = excite(b.prelu(b.conv(b.append(op::Pad{op::Pad::Mode::reflect, 6, 6, 6, 6}, {0}), 10)));
    op::Conv2d half = conv(18, 10, 2, 2, 1);
    half.pad_top = half.pad_left = half.pad_bottom = half.pad_right = 0;
    const int low = excite(b.conv(b.append(half, {first}), 18));
    const int norm = b.append(op::GroupNorm{3, 1e-5F, numbers(18, 0.5F, 0.1F), numbers(18, 0, 0.1F)}, {low});
    const int high = b.conv(b.upsample_nearest(excite(b.add(norm, low)), 2), 10, 3, 0.5F);
    const int both = b.append(op::Crop{6, 6, 6, 6}, {excite(b.add(high, first))});
    b.add(b.pixel_shuffle(b.conv(both, 12, 3, 0.5F), 2), b.upsample_nearest(0, 2));
    return b.finish();
}

TEST_P(cpu_tensors, give_the_same_bits_in_little_memory) {
    NetworkBuilder b(31, 3);
    const int last = GetParam().layers(b, b.conv(0, 10));
    b.pixel_shuffle(b.conv(b.conv(last, 16), 12, 3, 0.5F), 2);
    const auto program = test::must(cpu_backend().compile(b.finish(), {.precision = Precision::fp32}));
    const Size size{156, 136};
    const std::int64_t whole = program->memory_bytes(size), least = program->least_memory_bytes(size);
    if (GetParam().tiles) {
        EXPECT_EQ(least, whole);
        return;
    }
    EXPECT_LE(least, whole);
    const FloatPicture picture = test::random_picture(8, 3, size), expected = run_within(*program, picture, 0);
    for (const std::int64_t memory : {std::int64_t{1}, least, (whole + least) / 2, whole})
        EXPECT_TRUE(test::same_bits(expected, run_within(*program, picture, memory))) << memory << " of " << least << " to " << whole;
}

TEST(cpu_tensor_programs, go_stage_by_stage_through_networks_with_means) {
    const Size size{236, 200};
    ThreadPool pool(2);
    const auto program = test::must(cpu_backend().compile(with_means(), {.precision = Precision::fp32, .pool = &pool}));
    const std::int64_t whole = program->memory_bytes(size), least = program->least_memory_bytes(size);
    EXPECT_LT(least, whole * 2 / 3);
    const FloatPicture picture = test::random_picture(8, 3, size), expected = run_within(*program, picture, 0);
    EXPECT_LE(test::largest_difference(test::run_whole(reference_backend(), with_means(), picture), expected), 3e-5);
    for (int share = 0; share < 4; ++share)
        EXPECT_TRUE(test::same_bits(expected, run_within(*program, picture, least + (whole - least) * share / 4))) << share;
}

// Only a part is asked for, and whoever asks no longer wants it.
TEST(cpu_tensor_programs, give_parts_stage_by_stage_and_can_be_stopped) {
    const Size size{236, 200};
    const auto program = test::must(cpu_backend().compile(with_means(), {.precision = Precision::fp32}));
    FloatPicture picture = test::random_picture(8, 3, size);
    const FloatPicture expected = run_within(*program, picture, 0);
    const auto session = test::must(program->session());
    FloatPicture out(3, {2 * 40, 2 * 30});
    TileJob job{picture.view(), {100, 60, 40, 30}, out.view()};
    job.memory_bytes = program->least_memory_bytes(size);
    ASSERT_TRUE(test::must(session->run(job)).finite);
    for (int y = 0; y < out.size.height; ++y)
        for (int x = 0; x < out.size.width; ++x) ASSERT_EQ(out.at(1, x, y), expected.at(1, 200 + x, 120 + y)) << x << "," << y;
    double reached = 0;
    const std::function<bool(double)> stop = [&](double done) {
        EXPECT_GE(done, reached);
        reached = done;
        return done < 0.5;
    };
    job.progress = &stop;
    EXPECT_EQ(session->run(job).error().code, Errc::cancelled);
    EXPECT_LE(reached, 0.7);
}

// For `enlarge bench --stages`.
TEST(cpu_tensor_programs, say_which_operations_take_the_time) {
    const auto program = test::must(cpu_backend().compile(with_means(), {.precision = Precision::fp32}));
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(8, 3, {64, 48}), out(3, {128, 96});
    const TileJob job{picture.view(), {0, 0, 64, 48}, out.view()};
    test::must(session->run(job));
    EXPECT_TRUE(session->stage_times().empty());
    session->time_stages(true);
    test::must(session->run(job));
    double last = 1e9, all = 0;
    std::set<std::string> names;
    for (const StageTime& stage : session->stage_times()) {
        EXPECT_TRUE(names.insert(stage.name).second) << stage.name;
        EXPECT_LE(stage.milliseconds, last);
        all += last = stage.milliseconds;
    }
    EXPECT_GT(all, 0);
    EXPECT_TRUE(names.contains("conv2d") && names.contains("group_norm") && names.contains("global_mean") && !names.contains("input"));
    session->time_stages(false);
    EXPECT_TRUE(session->stage_times().empty());
}

// Wide layers take more than most: of 3x3 taps, of one tap after another, and of many taps.
TEST(cpu_tensor_programs, say_what_threads_take_for_themselves) {
    const auto wide = [](int features, int kernel) {
        NetworkBuilder b(7, 3);
        int x = b.conv(0, features, 1, 0.5F);
        x = b.append(op::Gelu{}, {b.conv(x, features, kernel, 0.5F)});
        b.conv(x, 3, 1, 0.5F);
        return b.finish();
    };
    for (const Isa isa : supported_isas())
        for (const auto& [features, kernel] : {std::pair{384, 3}, {1024, 1}, {16, 17}}) {
            const KernelTable& table = kernels(isa);
            ThreadPool pool(2);
            const auto network = test::must(cpu::tensors::prepare(wide(features, kernel), table, &pool));
            const ProgramInfo info{.scale = 1, .channels = 3};
            cpu::tensors::Runner runner(network, info, table, &pool);
            FloatPicture picture = test::random_picture(8, 3, {112, 24}), out(3, {112, 24});
            test::must(runner.run({picture.view(), {0, 0, 112, 24}, out.view()}));
            const std::int64_t told = cpu::tensors::scratch_bytes(*network, &pool);
            EXPECT_GT(runner.scratch_bytes(), 0);
            EXPECT_LE(runner.scratch_bytes(), told) << isa_name(isa) << " " << features << " " << kernel;
            EXPECT_LE(told, std::max(std::int64_t{4} << 20, runner.scratch_bytes() * 2)) << features;
        }
}

// The working memory that is told is what a picture takes.
TEST(cpu_tensor_programs, tell_how_much_memory_they_take) {
    const Graph graph = test::attention_graph(3, true);
    const auto program = test::must(cpu_backend().compile(graph, {}));
    EXPECT_GT(program->memory_bytes({64, 64}), std::int64_t{64 * 64} * 4 * 24);
    EXPECT_GT(program->memory_bytes({256, 256}), program->memory_bytes({64, 64}) * 3);
}

// No number on the way overflows.
TEST(cpu_tensor_programs, ask_for_more_than_any_memory_when_a_picture_is_too_large) {
    NetworkBuilder b(3, 3);
    const int large = b.upsample_nearest(normed(b, b.conv(0, 4)), 64);
    op::AveragePool pool;
    pool.kernel = pool.stride = 64;
    b.conv(b.append(pool, {large}), 3);
    const Graph graph = b.finish();
    const auto program = test::must(cpu_backend().compile(graph, {}));
    EXPECT_GE(program->memory_bytes({1 << 27, 1 << 27}), std::int64_t{1} << 50);
    EXPECT_GE(program->memory_bytes({1 << 20, 1 << 20}), std::int64_t{1} << 50);
}

}  // namespace
}  // namespace enlarge
