// SPDX-License-Identifier: Apache-2.0
#include "plan/transposed.hpp"

#include <gtest/gtest.h>

#include "backend/reference/reference.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::NetworkBuilder;

// A transposed convolution of 5 channels to 4, cut to size so that the output is a multiple of the picture.
Graph network(op::ConvTranspose2d op, const op::Crop& crop) {
    NetworkBuilder b(7, 3);
    const int x = b.conv(0, 5 * op.groups);
    test::Random random(9);
    op.weights = make_values(random.floats(static_cast<std::size_t>(5 * op.groups * 4 / op.groups * op.kernel_h * op.kernel_w), -0.3F, 0.3F));
    op.bias = make_values(random.floats(4, -0.1F, 0.1F));
    int y = b.append(op, {x});
    if (!(crop == op::Crop{})) y = b.append(crop, {y});
    b.conv(y, 3);
    return b.finish();
}

op::ConvTranspose2d transposed(int kernel_h, int kernel_w, int stride) {
    op::ConvTranspose2d op;
    op.kernel_h = kernel_h;
    op.kernel_w = kernel_w;
    op.stride_h = op.stride_w = stride;
    return op;
}

bool has_transposed(const Graph& graph) {
    return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& n) { return n.is<op::ConvTranspose2d>(); });
}

void expect_same(const Graph& graph) {
    Graph plain = with_plain_convolutions(graph);
    EXPECT_FALSE(has_transposed(plain));
    EXPECT_EQ(plain.output().shape, graph.output().shape);
    EXPECT_EQ(plain.size_multiple(), graph.size_multiple());
    const test::FloatPicture picture = test::random_picture(4, 3, {11, 9});
    EXPECT_LE(test::largest_difference(test::run_whole(reference_backend(), graph, picture), test::run_whole(reference_backend(), plain, picture)), 1e-5);
}

TEST(transposed, becomes_an_ordinary_convolution) {
    expect_same(network(transposed(2, 2, 2), {}));
    expect_same(network(transposed(3, 3, 3), {}));
    expect_same(network(transposed(3, 3, 1), {1, 1, 1, 1}));
    expect_same(network(transposed(5, 3, 2), {2, 0, 1, 1}));
    op::ConvTranspose2d padded = transposed(4, 4, 2);
    padded.pad_top = padded.pad_left = padded.pad_bottom = padded.pad_right = 1;
    expect_same(network(padded, {}));
    op::ConvTranspose2d uneven = transposed(5, 6, 3);
    uneven.pad_top = 1;
    uneven.pad_right = 2;
    uneven.extra_h = 1;
    expect_same(network(uneven, {2, 1, 0, 0}));
}

// So that both are one step.
TEST(transposed, takes_the_activation_behind_it_along) {
    NetworkBuilder b(7, 3);
    op::ConvTranspose2d op = transposed(4, 4, 2);
    op.pad_top = op.pad_left = op.pad_bottom = op.pad_right = 1;
    test::Random random(9);
    op.weights = make_values(random.floats(5 * 4 * 16, -0.3F, 0.3F));
    op.bias = make_values(random.floats(4, -0.1F, 0.1F));
    const int from = b.conv(0, 5), first = b.append(op, {from}), second = b.append(op, {from});
    b.conv(b.add(b.leaky_relu(first, 0.3F), b.silu(second)), 3);
    const Graph graph = b.finish(), plain = with_plain_convolutions(graph);
    expect_same(graph);
    EXPECT_TRUE(plain.nodes()[2].is<op::Conv2d>() && plain.nodes()[3].is<op::LeakyRelu>() && plain.nodes()[4].is<op::PixelShuffle>());
    EXPECT_EQ(plain.nodes().size(), graph.nodes().size() + 4);
}

TEST(transposed, stays_where_it_is_no_such_convolution) {
    op::ConvTranspose2d groups = transposed(2, 2, 2), dilated = transposed(2, 2, 2);
    groups.groups = 2;
    dilated.dilation_h = dilated.dilation_w = 2;
    EXPECT_TRUE(has_transposed(with_plain_convolutions(network(groups, {}))));
    EXPECT_TRUE(has_transposed(with_plain_convolutions(network(dilated, {0, 0, 1, 1}))));
}

// What else a graph says stays too.
TEST(transposed, keeps_how_a_picture_goes_on) {
    Graph graph = network(transposed(2, 2, 2), {});
    test::must(graph.need_multiple(6));
    graph.continue_by(Continuation::mirror);
    graph.need_spare(5);
    graph.allow_sides_up_to(300);
    const Graph plain = with_plain_convolutions(graph);
    EXPECT_EQ(plain.size_multiple(), 6);
    EXPECT_EQ(plain.continuation(), Continuation::mirror);
    EXPECT_EQ(plain.spare(), 5);
    EXPECT_EQ(plain.longest_side(), 300);
}

}  // namespace
}  // namespace enlarge
