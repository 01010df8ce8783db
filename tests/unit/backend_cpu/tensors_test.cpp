// SPDX-License-Identifier: Apache-2.0
// Networks that run node by node: every operation with code of its own against the reference, in tiles where tiles are
// exact; 10 and 18 features, so that nothing is a whole number of blocks.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "backend/cpu/cpu.hpp"
#include "backend/reference/reference.hpp"
#include "support/networks.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;
using test::NetworkBuilder;

struct Case {
    const char* name;
    bool tiles;  // whether it is the same in tiles
    std::function<int(NetworkBuilder& b, int x)> layers;  // from 10 features to any number
};

Values numbers(std::size_t n, float first, float step) {
    std::vector<float> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = first + step * static_cast<float>(i % 7);
    return make_values(std::move(values));
}

op::Conv2d conv(int out, int in, int kernel, int stride, int groups) {
    op::Conv2d c;
    c.kernel_h = c.kernel_w = kernel;
    c.stride_h = c.stride_w = stride;
    c.groups = groups;
    c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = kernel / 2;
    c.weights = numbers(static_cast<std::size_t>(out * (in / groups) * kernel * kernel), -0.09F, 0.03F);
    c.bias = numbers(static_cast<std::size_t>(out), -0.1F, 0.05F);
    return c;
}

int attend(NetworkBuilder& b, int x, const Operation& op) { return b.append(op, {b.conv(x, 30, 1)}); }

// A network that would otherwise run in rows of pixels, so that a norm is added.
int normed(NetworkBuilder& b, int x) {
    return b.append(op::LayerNorm{0, 1e-5F, numbers(static_cast<std::size_t>(b.channels(x)), 0.5F, 0.2F), numbers(static_cast<std::size_t>(b.channels(x)), -0.1F, 0.1F)}, {x});
}

op::WindowAttention window(int shift, bool table) {
    op::WindowAttention op;
    op.heads = 2;
    op.window_h = 4;
    op.window_w = 2;
    op.shift_h = shift;
    op.shift_w = shift / 2;
    op.scale = 0.4F;
    op.bias = table ? numbers(2 * 7 * 3, -0.5F, 0.2F) : numbers(2 * 8 * 8, -0.5F, 0.2F);
    return op;
}

op::WindowAttention continued(op::WindowAttention::Beyond beyond) {
    op::WindowAttention op = window(2, false);
    op.beyond = beyond;
    op.unit = 12;  // of windows whose sides are no multiples of the picture's
    return op;
}

const Case kCases[] = {
    {"winograd_with_everything", true,
     [](NetworkBuilder& b, int x) {
         const int y = b.prelu(b.conv(normed(b, x), 10));
         return b.add(b.add(y, x, 0.5F, 2.0F), x, 1.0F, -0.5F);
     }},
    {"winograd_and_gelu", true, [](NetworkBuilder& b, int x) { return b.append(op::Gelu{}, {b.conv(normed(b, x), 18)}); }},
    {"winograd_and_gate", true, [](NetworkBuilder& b, int x) { return b.span_gate(b.conv(normed(b, x), 10), x); }},
    {"winograd_and_silu", true, [](NetworkBuilder& b, int x) { return b.silu(b.conv(normed(b, x), 10)); }},
    {"five_by_five", true, [](NetworkBuilder& b, int x) { return b.leaky_relu(b.conv(normed(b, x), 18, 5)); }},
    {"seventeen_by_seventeen", true, [](NetworkBuilder& b, int x) { return b.conv(normed(b, x), 3, 17, 0.5F); }},
    {"one_by_one_and_mish", true, [](NetworkBuilder& b, int x) { return b.append(op::Mish{}, {b.conv(normed(b, x), 18, 1)}); }},
    {"strided", true, [](NetworkBuilder& b, int x) { return b.upsample_nearest(b.append(conv(18, 10, 3, 2, 1), {normed(b, x)}), 2); }},
    {"dilated", true,
     [](NetworkBuilder& b, int x) {
         op::Conv2d c = conv(10, 10, 3, 1, 1);
         c.dilation_h = c.dilation_w = c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 2;
         return b.append(c, {normed(b, x)});
     }},
    {"unpadded", true,
     [](NetworkBuilder& b, int x) {
         op::Conv2d c = conv(18, 10, 3, 1, 1);
         c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 0;
         const int y = b.append(op::Pad{op::Pad::Mode::repeat, 3, 2, 1, 2}, {normed(b, x)});
         return b.append(op::Crop{1, 1, 1, 1}, {b.append(op::Pad{op::Pad::Mode::zeros, 1, 1, 1, 1}, {b.append(op::Crop{1, 1, 1, 1}, {b.append(c, {y})})})});
     }},
    {"mirrored", true,
     [](NetworkBuilder& b, int x) { return b.append(op::Crop{4, 5, 3, 2}, {b.conv(b.append(op::Pad{op::Pad::Mode::reflect, 4, 5, 3, 2}, {normed(b, x)}), 10)}); }},
    {"transposed", true,
     [](NetworkBuilder& b, int x) {
         op::ConvTranspose2d c;
         c.kernel_h = c.kernel_w = 4;
         c.stride_h = c.stride_w = 2;
         c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 1;
         c.weights = numbers(10 * 18 * 16, -0.09F, 0.03F);
         c.bias = numbers(18, -0.1F, 0.05F);
         return b.append(conv(10, 18, 3, 2, 1), {b.append(op::LeakyRelu{}, {b.append(c, {normed(b, x)})})});
     }},
    {"transposed_by_three", true,
     [](NetworkBuilder& b, int x) {
         op::ConvTranspose2d c;
         c.kernel_h = 5;
         c.kernel_w = 2;
         c.stride_h = c.stride_w = 3;
         c.pad_top = 2;
         c.extra_h = c.extra_w = 1;
         c.weights = numbers(10 * 6 * 10, -0.09F, 0.03F);
         c.bias = numbers(6, -0.1F, 0.05F);
         op::Conv2d down = conv(10, 6, 3, 3, 1);
         down.pad_top = down.pad_left = down.pad_bottom = down.pad_right = 0;
         return b.append(down, {b.append(op::Crop{0, 0, 1, 0}, {b.append(c, {normed(b, x)})})});
     }},
    {"depthwise", true, [](NetworkBuilder& b, int x) { return b.append(conv(10, 10, 7, 1, 10), {normed(b, x)}); }},
    {"grouped", true, [](NetworkBuilder& b, int x) { return b.append(conv(20, 10, 3, 1, 2), {normed(b, x)}); }},
    {"norms", true,
     [](NetworkBuilder& b, int x) {
         const int rms = b.append(op::RmsNorm{0, 1e-6F, numbers(10, 0.5F, 0.1F)}, {normed(b, x)});
         return b.append(op::L2Norm{}, {b.add(rms, x)});
     }},
    {"norms_of_the_picture", false,
     [](NetworkBuilder& b, int x) {
         const int group = b.append(op::GroupNorm{5, 1e-5F, numbers(10, 0.5F, 0.1F), numbers(10, 0, 0.1F)}, {x});
         return b.append(op::InstanceNorm{1e-5F, numbers(10, 0.5F, 0.1F), numbers(10, 0, 0.1F)}, {b.add(group, x)});
     }},
    {"squeeze_and_excite", false,
     [](NetworkBuilder& b, int x) {
         const int small = b.append(op::LeakyRelu{}, {b.conv(b.append(op::GlobalMean{}, {x}), 4, 1)});
         return b.append(op::Multiply{}, {x, b.append(op::Sigmoid{}, {b.conv(small, 10, 1)})});
     }},
    {"one_number_for_all_channels", true,
     [](NetworkBuilder& b, int x) { return b.append(op::Multiply{}, {b.append(op::Tanh{}, {b.conv(normed(b, x), 1, 1)}), x}); }},
    {"number_by_number", true,
     [](NetworkBuilder& b, int x) {
         const int a = b.append(op::HardSwish{}, {normed(b, x)}), c = b.append(op::Clamp{-0.5F, 0.5F}, {x});
         return b.append(op::Gelu{true}, {b.append(op::Maximum{}, {b.prelu(a), b.silu(c)})});
     }},
    {"channels_moved", true,
     [](NetworkBuilder& b, int x) {
         const int y = normed(b, x);
         return b.concat({b.append(op::Slice{0, 6, op::Slice::kEnd, 1}, {y}), b.append(op::Slice{0, -9, 3, 1}, {y}), x});
     }},
    {"pixels_moved", true,
     [](NetworkBuilder& b, int x) { return b.pixel_shuffle(b.append(op::Mish{}, {b.pixel_unshuffle(normed(b, x), 2)}), 2); }},
    {"rolled", false, [](NetworkBuilder& b, int x) { return b.append(op::Roll{-3, 5}, {normed(b, x)}); }},
    {"own_kernels", true,
     [](NetworkBuilder& b, int x) { return b.append(op::DynamicConv2d{3}, {x, b.conv(normed(b, x), 45, 1)}); }},
    {"windows", true, [](NetworkBuilder& b, int x) { return attend(b, x, window(0, false)); }},
    {"shifted_windows", true, [](NetworkBuilder& b, int x) { return attend(b, x, window(2, true)); }},
    {"windows_beyond_zeros", false, [](NetworkBuilder& b, int x) { return attend(b, x, continued(op::WindowAttention::Beyond::zeros)); }},
    {"windows_beyond_mirrored", false, [](NetworkBuilder& b, int x) { return attend(b, x, continued(op::WindowAttention::Beyond::reflect)); }},
    {"grid", false,
     [](NetworkBuilder& b, int x) { return attend(b, x, op::GridAttention{2, 4, 2, 0.4F, numbers(2 * 8 * 8, -0.5F, 0.2F)}); }},
    {"overlapping_windows", true,
     [](NetworkBuilder& b, int x) {
         return b.append(op::OverlapAttention{2, 4, 6, 0.4F, numbers(2 * 16 * 36, -0.5F, 0.2F)}, {b.conv(x, 10, 1), b.conv(x, 20, 1)});
     }},
    {"channel_attention", false,
     [](NetworkBuilder& b, int x) { return attend(b, x, op::ChannelAttention{2, 0, 1e-12F, numbers(2, 0.7F, 0.5F)}); }},
};

class cpu_tensors : public testing::TestWithParam<Case> {};

TEST_P(cpu_tensors, compute_what_the_reference_computes) {
    NetworkBuilder b(31, 3);
    const int last = GetParam().layers(b, b.conv(0, 10));
    b.pixel_shuffle(b.conv(last, 12, 1, 0.5F), 2);
    const Graph graph = b.finish();
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

INSTANTIATE_TEST_SUITE_P(each, cpu_tensors, testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param.name); });

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
