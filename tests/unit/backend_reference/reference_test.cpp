// SPDX-License-Identifier: Apache-2.0
#include "backend/reference/reference.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "backend/reference/ops.hpp"
#include "base/half.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using reference::Tensor;
using test::FloatPicture;

// The operation on pictures of `channels` x height x width.
std::vector<float> run(const Operation& op, const std::vector<Tensor>& in, std::vector<std::int64_t> sides) {
    std::vector<const Tensor*> pointers;
    for (const Tensor& tensor : in) pointers.push_back(&tensor);
    Tensor out(std::move(sides));
    reference::run_op(op, pointers, out, nullptr);
    return out.values;
}

op::Conv2d conv(int kernel, std::vector<float> weights, std::vector<float> bias) {
    const int pad = kernel / 2;
    return {.kernel_h = kernel,
            .kernel_w = kernel,
            .pad_top = pad,
            .pad_left = pad,
            .pad_bottom = pad,
            .pad_right = pad,
            .weights = make_values(std::move(weights)),
            .bias = make_values(std::move(bias))};
}

TEST(reference_ops, conv2d_correlates_and_pads_with_zeros) {
    const auto out = run(conv(3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {0.5F}), {{{1, 2, 3}, {1, 2, 3, 4, 5, 6}}}, {1, 2, 3});
    // Top left: 5*1 + 6*2 + 8*4 + 9*5; bottom right: 1*2 + 2*3 + 4*5 + 5*6.
    EXPECT_EQ(out[0], 94.5F);
    EXPECT_EQ(out[5], 58.5F);
    // Top middle: 4*1 + 5*2 + 6*3 + 7*4 + 8*5 + 9*6.
    EXPECT_EQ(out[1], 154.5F);
}

TEST(reference_ops, conv2d_reads_weights_as_out_in_row_column) {
    EXPECT_EQ(run(conv(1, {1, 10, 100, 1000}, {0, 1}), {{{2, 1, 1}, {2, 3}}}, {2, 1, 1}),
              (std::vector<float>{32, 3201}));
}

TEST(reference_ops, activations) {
    const Tensor in({2, 1, 2}, {-1, 1, -1, 3});
    EXPECT_EQ(run(op::Prelu{make_values({0.5F, -2})}, {in}, {2, 1, 2}), (std::vector<float>{-0.5F, 1, 2, 3}));
    EXPECT_EQ(run(op::LeakyRelu{0.25F}, {in}, {2, 1, 2}), (std::vector<float>{-0.25F, 1, -0.25F, 3}));
    const auto silu = run(op::Silu{}, {in}, {2, 1, 2});
    EXPECT_FLOAT_EQ(silu[1], 0.7310586F);
    EXPECT_FLOAT_EQ(silu[0], -0.26894143F);
    EXPECT_FLOAT_EQ(run(op::SpanGate{}, {{{1, 1, 1}, {1}}, {{1, 1, 1}, {3}}}, {1, 1, 1})[0], 4 * 0.2310586F);
}

TEST(reference_ops, add_concat_and_scale_shift) {
    EXPECT_EQ(run(op::Add{0.5F, 2}, {{{1, 1, 1}, {4}}, {{1, 1, 1}, {3}}}, {1, 1, 1}), std::vector<float>{8});
    EXPECT_EQ(run(op::Concat{}, {{{1, 1, 1}, {4}}, {{2, 1, 1}, {3, 5}}, {{1, 1, 1}, {7}}}, {4, 1, 1}),
              (std::vector<float>{4, 3, 5, 7}));
    EXPECT_EQ(run(op::ScaleShift{make_values({2, 3}), make_values({1, -1})}, {{{2, 1, 1}, {4, 5}}}, {2, 1, 1}),
              (std::vector<float>{9, 14}));
}

TEST(reference_ops, shuffles_are_inverse_and_ordered_like_the_training_framework) {
    // Channel c * 4 + i * 2 + j goes to row i, column j.
    const Tensor in({4, 1, 2}, {0, 1, 10, 11, 20, 21, 30, 31});
    const auto big = run(op::PixelShuffle{2}, {in}, {1, 2, 4});
    EXPECT_EQ(big, (std::vector<float>{0, 10, 1, 11, 20, 30, 21, 31}));
    EXPECT_EQ(run(op::PixelUnshuffle{2}, {{{1, 2, 4}, big}}, {4, 1, 2}), in.values);
    EXPECT_EQ(run(op::UpsampleNearest{3}, {{{1, 1, 2}, {7, 8}}}, {1, 3, 6}),
              (std::vector<float>{7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8}));
}

struct Case {
    const char* name;
    Graph graph;
};

std::vector<Case> networks() {
    std::vector<Case> cases;
    cases.push_back({"compact x4", test::compact_graph(1, {.features = 6, .convs = 2, .scale = 4})});
    cases.push_back({"compact x1", test::compact_graph(2, {.features = 4, .convs = 1, .scale = 1})});
    cases.push_back({"grey compact x3", test::compact_graph(3, {.features = 4, .convs = 1, .scale = 3, .channels = 1})});
    cases.push_back({"rrdb x4", test::rrdb_graph(4, {.features = 4, .growth = 2})});
    cases.push_back({"rrdb x2", test::rrdb_graph(5, {.features = 4, .growth = 2, .unshuffle = 2})});
    cases.push_back({"rrdb x1", test::rrdb_graph(6, {.features = 4, .growth = 2, .unshuffle = 4})});
    cases.push_back({"span x2", test::span_graph(7, {.features = 4, .scale = 2})});
    cases.push_back({"span x1", test::span_graph(8, {.features = 4, .scale = 1, .norm = false})});
    return cases;
}

TEST(reference, a_change_is_seen_up_to_the_receptive_radius_and_no_further) {
    // Positive weights and no biases: nothing cancels, nothing is clipped, so whatever can matter does.
    for (const Case& c : networks()) {
        Graph graph;
        for (Node node : c.graph.nodes()) {
            if (auto* conv = node.as<op::Conv2d>()) {
                const auto taps = conv->weights->size() / conv->bias->size();
                conv->weights = make_values(std::vector<float>(conv->weights->size(), 1.0F / static_cast<float>(taps)));
                conv->bias = make_values(std::vector<float>(conv->bias->size(), 0.0F));
            }
            // Gates fade with depth; what reaches where is the same for a sum.
            if (node.is<op::SpanGate>()) node.op = op::Add{};
            if (node.is<op::Silu>() || node.is<op::LeakyRelu>() || node.is<op::Prelu>()) node.op = op::LeakyRelu{1};
            if (auto* norm = node.as<op::ScaleShift>())
                norm->shift = make_values(std::vector<float>(norm->shift->size(), 0.0F));
            test::must(graph.add(node));
        }
        const int radius = graph.receptive_radius().value(), s = graph.scale(), multiple = graph.size_multiple();
        // One long row; a single lit pixel at every phase of a pixel_unshuffle block.
        const int width = (2 * radius + 3 * multiple) / multiple * multiple + 2 * multiple;
        int reach = 0;
        for (int phase = 0; phase < multiple; ++phase) {
            FloatPicture picture(graph.input_channels(), {width, multiple});
            const int lit = width / 2 / multiple * multiple + phase;
            for (int ch = 0; ch < picture.channels; ++ch)
                for (int y = 0; y < multiple; ++y) picture.at(ch, lit, y) = 1e30F;
            const FloatPicture out = test::run_whole(reference_backend(), graph, picture);
            for (int ch = 0; ch < out.channels; ++ch)
                for (int x = 0; x < out.size.width; ++x)
                    if (out.at(ch, x, 0) != 0) reach = std::max(reach, std::abs(x / s - lit));
        }
        EXPECT_EQ(reach, radius) << c.name;
    }
}

TEST(reference, tiles_give_the_same_bits_as_the_whole_picture) {
    ThreadPool pool(2);
    for (const Case& c : networks()) {
        const FloatPicture picture = test::random_picture(11, c.graph.input_channels(), {60, 28});
        const FloatPicture whole = test::run_whole(reference_backend(), c.graph, picture);
        CompileOptions options;
        options.pool = &pool;
        const auto program = test::must(reference_backend().compile(c.graph, options));
        for (const int side : {5, 16, 41})
            EXPECT_TRUE(test::same_bits(whole, test::run_tiled(*program, picture, side))) << c.name << ", tile " << side;
    }
}

TEST(reference, reads_and_writes_every_format) {
    // The identity network: what comes out is what went in.
    Graph graph;
    test::must(graph.input(3));
    test::must(graph.conv2d(0, 3, 1, {1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}));
    const auto program = test::must(reference_backend().compile(graph, {}));
    const auto session = test::must(program->session());
    for (const bool planar : {false, true})
        for (const PixelFormat kind : {PixelFormat{SampleType::u8, 8}, {SampleType::u16, 16}, {SampleType::u16, 10}, {SampleType::f16, 16}, {SampleType::f32, 32}}) {
            PixelFormat format = kind;
            format.planar = planar;
            Image in({37, 5}, format), out({37, 5}, format);
            FloatPicture source = test::random_picture(3, 3, {37, 5});
            test::must(session->run({source.view(), {0, 0, 37, 5}, in.view()}));  // float to format
            test::must(session->run({std::as_const(in).view(), {0, 0, 37, 5}, out.view()}));
            FloatPicture back(3, {37, 5});
            test::must(session->run({std::as_const(out).view(), {0, 0, 37, 5}, back.view()}));
            const double step = kind.sample == SampleType::f32 ? 0 : kind.sample == SampleType::f16 ? 1.0 / 4096 : 0.5000001 / ((1 << kind.bits) - 1);
            EXPECT_LE(test::largest_difference(source, back), step) << static_cast<int>(kind.sample) << planar;
        }
}

TEST(reference, integers_are_clamped_and_rounded_half_to_even) {
    Graph graph;
    test::must(graph.input(1));
    test::must(graph.conv2d(0, 1, 1, {1}, {0}));
    const auto program = test::must(reference_backend().compile(graph, {}));
    FloatPicture in(1, {6, 1});
    in.values = {-1, 2, 0.5F / 255, 1.5F / 255, 2.5F / 255, 254.4F / 255};
    Image out({6, 1}, {SampleType::u8, 8, 1, false});
    test::must(test::must(program->session())->run({in.view(), {0, 0, 6, 1}, out.view()}));
    const int expected[] = {0, 255, 0, 2, 2, 254};
    for (int x = 0; x < 6; ++x) EXPECT_EQ(std::to_integer<int>(out.view().row(0, 0)[x]), expected[x]) << x;
}

TEST(reference, says_when_the_result_is_not_finite) {
    const Graph graph = test::compact_graph(1);
    const auto program = test::must(reference_backend().compile(graph, {}));
    FloatPicture in = test::random_picture(1, 3, {16, 16}), out(3, {8, 8});
    in.at(0, 15, 15) = INFINITY;
    const auto session = test::must(program->session());
    // The core is 8 pixels from the damage, radius 4: not touched. Then a core that is.
    EXPECT_TRUE(test::must(session->run({in.view(), {0, 0, 4, 4}, out.view()})).finite);
    EXPECT_FALSE(test::must(session->run({in.view(), {12, 12, 4, 4}, out.view()})).finite);
}

TEST(reference, refuses_what_it_cannot_do) {
    const Graph graph = test::compact_graph(1);
    CompileOptions options;
    options.precision = Precision::int8;
    const auto result = reference_backend().compile(graph, options);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Errc::unsupported);
    EXPECT_NE(result.error().message.find("int8"), std::string::npos);
    EXPECT_FALSE(reference_backend().compile(Graph(), {}).ok());
}

TEST(half, converts_every_half_and_back_and_rounds_to_even) {
    for (std::uint32_t h = 0; h < 65536; ++h) {
        const float value = half_to_float(static_cast<std::uint16_t>(h));
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
            continue;
        }
        ASSERT_EQ(float_to_half(value), h);
        const float next = half_to_float(static_cast<std::uint16_t>(h + 1));
        if ((h & 0x7FFFU) >= 0x7BFFU) continue;
        const float middle = (value + next) / 2;  // exact
        ASSERT_EQ(float_to_half(middle), h + (h & 1U));
        ASSERT_EQ(float_to_half(std::nextafter(middle, value)), h);
        ASSERT_EQ(float_to_half(std::nextafter(middle, next)), h + 1);
    }
    EXPECT_EQ(float_to_half(65519.996F), 0x7BFF);
    EXPECT_EQ(float_to_half(65520), 0x7C00);
    EXPECT_EQ(float_to_half(1e-10F), 0);
}

TEST(backends, the_environment_chooses_only_for_auto) {
    ::setenv("ENLARGE_BACKEND", "reference", 1);
    EXPECT_EQ(test::must(choose_backend("auto"))->name(), "reference");
    ::setenv("ENLARGE_BACKEND", "nonsense", 1);
    const auto wrong = choose_backend("auto");
    ASSERT_FALSE(wrong.ok());
    EXPECT_NE(wrong.error().message.find("ENLARGE_BACKEND=nonsense"), std::string::npos);
    EXPECT_EQ(test::must(choose_backend("reference"))->name(), "reference");
    ::unsetenv("ENLARGE_BACKEND");
    EXPECT_FALSE(choose_backend("gpu9").ok());
}

// A set that is not there is said; plain loops, a hundred times slower, are not taken in its place.
TEST(backends, a_wrong_instruction_set_is_said_for_auto_too) {
    const char* const set_before = std::getenv("ENLARGE_ISA");
    const std::string before = set_before ? set_before : "";
    ::setenv("ENLARGE_ISA", "nonsense", 1);
    const auto found = choose_backend("auto");
    ::setenv("ENLARGE_ISA", before.c_str(), 1);  // empty is as if it were not there
    if (found) {
        EXPECT_NE((*found)->name(), "reference") << "a device other than the processor";
    } else {
        EXPECT_NE(found.error().message.find("ENLARGE_ISA is 'nonsense'"), std::string::npos) << found.error().message;
    }
}

}  // namespace
}  // namespace enlarge
