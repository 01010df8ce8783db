// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.hpp"

#include <gtest/gtest.h>

#include <set>
#include <type_traits>

#include "graph/fields.hpp"
#include "graph/hash.hpp"
#include "graph/traits.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::CompactSpec;
using test::RrdbSpec;

Graph rgb() {
    Graph graph;
    test::must(graph.input(3));
    return graph;
}

TEST(graph, infers_channels_and_size_of_each_op) {
    Graph graph = rgb();
    const int conv = test::must(graph.conv2d(0, 8, 3, std::vector<float>(216), std::vector<float>(8)));
    const int big = test::must(graph.add({op::PixelShuffle{2}, {conv}}));
    EXPECT_EQ(graph.nodes()[2].channels, 2);
    EXPECT_EQ(graph.nodes()[2].num, 2);
    const int wide = test::must(graph.add({op::Concat{}, {big, big, big}}));
    EXPECT_EQ(graph.nodes()[static_cast<std::size_t>(wide)].channels, 6);
    test::must(graph.add({op::PixelUnshuffle{4}, {wide}}));
    EXPECT_EQ(graph.output().channels, 96);
    EXPECT_EQ(graph.output().num, 1);
    EXPECT_EQ(graph.output().den, 2);
    EXPECT_EQ(graph.size_multiple(), 2);
}

TEST(graph, names_the_op_and_both_counts_when_weights_do_not_fit) {
    Graph graph = rgb();
    const auto result = graph.conv2d(0, 8, 3, std::vector<float>(215), std::vector<float>(8));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "node 1 (conv2d): 215 weights; expected 216");
    EXPECT_EQ(result.error().code, Errc::format);
    EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST(graph, refuses_what_does_not_fit_together) {
    Graph graph = rgb();
    const int conv = test::must(graph.conv2d(0, 5, 1, std::vector<float>(15), std::vector<float>(5)));
    EXPECT_FALSE(graph.add({op::Input{3}, {}}).ok());
    EXPECT_FALSE(graph.add({op::Add{}, {0, conv}}).ok());
    EXPECT_FALSE(graph.add({op::Add{}, {0}}).ok());
    EXPECT_FALSE(graph.add({op::Concat{}, {0}}).ok());
    EXPECT_FALSE(graph.add({op::Silu{}, {2}}).ok());
    EXPECT_FALSE(graph.add({op::Silu{}, {-1}}).ok());
    EXPECT_FALSE(graph.add({op::Prelu{}, {conv}}).ok());
    EXPECT_FALSE(graph.conv2d(conv, 1, 5, std::vector<float>(124), std::vector<float>(1)).ok());
    EXPECT_FALSE(graph.conv2d(conv, 1, -1, std::vector<float>(5), std::vector<float>(1)).ok());
    EXPECT_FALSE(graph.conv2d(conv, 0, 1, {}, {}).ok());
    EXPECT_FALSE(graph.conv2d(conv, 2, 1, std::vector<float>(5), std::vector<float>(1)).ok());
    for (const int factor : {-1, 0, 1, 2, 1000})
        EXPECT_FALSE(graph.add({op::PixelShuffle{factor}, {conv}}).ok()) << factor;
    const int big = test::must(graph.add({op::UpsampleNearest{2}, {conv}}));
    EXPECT_FALSE(graph.add({op::Concat{}, {big, conv}}).ok());
    EXPECT_FALSE(Graph().add({op::Silu{}, {0}}).ok());
    EXPECT_FALSE(Graph().input(0).ok());
}

TEST(graph, refuses_a_network_with_an_unused_node_or_a_shrunk_output) {
    Graph graph = rgb();
    EXPECT_FALSE(graph.validate().ok());
    test::must(graph.conv2d(0, 3, 1, std::vector<float>(9), std::vector<float>(3)));
    EXPECT_TRUE(graph.validate().ok());
    Graph unused = graph;
    test::must(unused.conv2d(0, 3, 1, std::vector<float>(9), std::vector<float>(3)));
    const auto result = unused.validate();
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "node 1 (conv2d): its result is not used");
    test::must(graph.add({op::PixelUnshuffle{2}, {1}}));
    EXPECT_FALSE(graph.validate().ok());
}

TEST(graph, counts_parameters_and_multiplications_of_the_public_networks) {
    const Graph general = test::compact_graph(1, {.features = 64, .convs = 32, .scale = 4});
    EXPECT_EQ(general.parameters(), 1213296);
    EXPECT_EQ(general.macs_per_pixel(), 1209024);
    EXPECT_EQ(general.scale(), 4);
    const Graph x4plus = test::rrdb_graph(1, {.features = 64, .growth = 32, .blocks = 23});
    EXPECT_EQ(x4plus.parameters(), 16697987);
    EXPECT_EQ(x4plus.macs_per_pixel(), 17926848);
    const Graph x2plus = test::rrdb_graph(1, {.features = 64, .growth = 32, .blocks = 23, .unshuffle = 2});
    EXPECT_EQ(x2plus.parameters(), 16703171);
    EXPECT_EQ(x2plus.macs_per_pixel(), 4483008);
    EXPECT_EQ(x2plus.scale(), 2);
    EXPECT_EQ(x2plus.size_multiple(), 2);
    EXPECT_EQ(test::span_graph(1, {.features = 48, .scale = 4}).macs_per_pixel(), 425232);
}

TEST(graph, knows_the_receptive_radius) {
    EXPECT_EQ(test::compact_graph(1, {.features = 4, .convs = 32, .scale = 4}).receptive_radius(), 34);
    EXPECT_EQ(test::compact_graph(1, {.features = 4, .convs = 16, .scale = 1}).receptive_radius(), 18);
    EXPECT_EQ(test::span_graph(1, {.features = 4, .scale = 2}).receptive_radius(), 21);
    // 1 + 15 per block + 1 before the upsampling, then 3 pixels at x4 = 2 at x2, 1 more there = 2 at x1.
    EXPECT_EQ(test::rrdb_graph(1, {.features = 4, .growth = 2, .blocks = 6}).receptive_radius(), 94);
    EXPECT_EQ(test::rrdb_graph(1, {.features = 4, .growth = 2, .blocks = 1}).receptive_radius(), 19);
    // 17 at half size, where the upsampling needs 2 more on one side: 19 pairs.
    EXPECT_EQ(test::rrdb_graph(1, {.features = 4, .growth = 2, .blocks = 1, .unshuffle = 2}).receptive_radius(), 38);
}

TEST(graph, takes_several_pictures_and_numbers) {
    Graph graph = rgb();
    const int second = test::must(graph.add({op::Input{3, "next frame"}, {}}));
    const int time = test::must(graph.add({op::Input{0, "time"}, {}}));
    const int late = test::must(graph.add({op::Multiply{}, {second, time}}));
    test::must(graph.add({op::Add{}, {0, late}}));
    EXPECT_TRUE(graph.validate().ok());
    EXPECT_EQ(graph.inputs(), 3);
    EXPECT_EQ(graph.receptive_radius(), 0);
    EXPECT_FALSE(graph.add({op::Input{3, "too late"}, {}}).ok());
    EXPECT_FALSE(Graph().add({op::Input{0, "time"}, {}}).ok());
}

TEST(graph, refuses_a_multiple_of_the_size_that_no_network_has) {
    Graph graph = rgb();
    int x = 0;
    bool refused = false;
    for (const int factor : {31, 29, 23}) {
        const auto smaller = graph.add({op::PixelUnshuffle{factor}, {x}});
        if (!smaller.ok()) {
            EXPECT_NE(smaller.error().message.find("sides must be a multiple of"), std::string::npos)
                << smaller.error().message;
            refused = true;
            break;
        }
        x = test::must(graph.add({op::PixelShuffle{factor}, {*smaller}}));
    }
    EXPECT_TRUE(refused);
}

// Shapes of single operations on a picture of 12 channels, H x W.
std::string shape(const Operation& op, std::vector<int> from = {1}) {
    Graph graph = rgb();
    test::must(graph.conv2d(0, 12, 1, std::vector<float>(36), std::vector<float>(12)));
    test::must(graph.add({op::Reshape{{12, *product(Extent::rows(), Extent::columns())}}, {1}}));  // 2: tokens, 12 x HW
    const auto added = graph.add({op, std::move(from)});
    return added.ok() ? text(graph.output().shape) : added.error().message;
}

Values zeros(std::size_t n) { return make_values(std::vector<float>(n)); }

TEST(shapes, of_convolutions_and_windows) {
    op::Conv2d conv{.kernel_h = 3,
                    .kernel_w = 5,
                    .stride_h = 2,
                    .groups = 4,
                    .pad_top = 1,
                    .pad_bottom = 1,
                    .weights = zeros(8 * 3 * 15),
                    .bias = zeros(8)};
    EXPECT_EQ(shape(conv), "8 x H/2 x W - 4");
    conv.groups = 5;
    EXPECT_NE(shape(conv).find("5 groups; expected a divisor of 12 and 8"), std::string::npos);
    const op::ConvTranspose2d transposed{.kernel_h = 4,
                                         .kernel_w = 4,
                                         .stride_h = 2,
                                         .stride_w = 2,
                                         .pad_top = 1,
                                         .pad_left = 1,
                                         .pad_bottom = 1,
                                         .pad_right = 1,
                                         .weights = zeros(12 * 6 * 16),
                                         .bias = zeros(6)};
    EXPECT_EQ(shape(transposed), "6 x 2H x 2W");
    EXPECT_EQ(shape(op::MaxPool{7, 3, 0}), "12 x H/3 - 2 x W/3 - 2");
    EXPECT_EQ(shape(op::MaxPool{7, 3, 0, true}), "12 x floor((H + 2)/3) - 2 x floor((W + 2)/3) - 2");
    EXPECT_EQ(shape(op::AveragePool{3, 2, 1}), "12 x H/2 x W/2");
    EXPECT_NE(shape(op::MaxPool{2, 2, 2}).find("expected fewer than the kernel's 2"), std::string::npos);
    EXPECT_EQ(shape(op::GlobalMean{}), "12 x 1 x 1");
    EXPECT_NE(shape(op::DynamicConv2d{3}, {1, 1}).find("12 channels of kernels; expected 9 times"), std::string::npos);
}

TEST(shapes, of_what_moves_pixels) {
    EXPECT_EQ(shape(op::Pad{op::Pad::Mode::reflect, 1, 2, 3, 4}), "12 x H + 4 x W + 6");
    EXPECT_EQ(shape(op::Crop{1, 2, 3, 4}), "12 x H - 4 x W - 6");
    EXPECT_EQ(shape(op::Roll{3, -2}), "12 x H x W");
    EXPECT_EQ(shape(op::Resize{op::Resize::Mode::bilinear, false, 3, 2}), "12 x 3H/2 x 3W/2");
    EXPECT_EQ(shape(op::Resize{}, {1, 0}), "12 x H x W");
    EXPECT_NE(shape(op::GridSample{}, {1, 1}).find("12 channels of places; expected 2"), std::string::npos);
    EXPECT_EQ(shape(op::Slice{0, 2, -1, 3}), "3 x H x W");
    EXPECT_EQ(shape(op::Slice{-1, 1}), "12 x H x W - 1");
    EXPECT_NE(shape(op::Slice{0, 5, 5}).find("a slice of 0"), std::string::npos);
    EXPECT_NE(shape(op::Slice{0, 0, 13}).find("a slice of 13"), std::string::npos);
}

TEST(shapes, of_tokens) {
    EXPECT_EQ(shape(op::Transpose{{1, 0}}, {2}), "HW x 12");
    EXPECT_NE(shape(op::Transpose{{1, 1}}, {2}).find("an order that is none"), std::string::npos);
    const Extent rows = Extent::rows(1, 8), columns = Extent::columns(1, 8);
    EXPECT_EQ(shape(op::Reshape{{12, rows, 8, columns, 8}}, {2}), "12 x H/8 x 8 x W/8 x 8");
    EXPECT_NE(shape(op::Reshape{{12, rows, 8, columns, 4}}, {2}).find("a reshape of 12 x HW to"), std::string::npos);
    EXPECT_EQ(shape(op::MatMul{true, 1}, {2, 2}), "12 x 12");
    EXPECT_NE(shape(op::MatMul{false, 1}, {2, 2}).find("inputs differ"), std::string::npos);
    EXPECT_NE(shape(op::Linear{zeros(12), zeros(3)}, {2}).find("its innermost side must be constant"),
              std::string::npos);
    EXPECT_EQ(shape(op::Softmax{}, {2}), "12 x HW");
    EXPECT_NE(shape(op::Softmax{2}, {2}).find("axis 2 of 12 x HW"), std::string::npos);
    EXPECT_EQ(shape(op::Argmax{0}, {2}), "1 x HW");
    EXPECT_EQ(shape(op::Multiply{}, {1, 1}), "12 x H x W");
    EXPECT_NE(shape(op::Multiply{}, {1, 0}).find("inputs differ: 12 x H x W and 3 x H x W"), std::string::npos);
}

TEST(shapes, of_attention_ask_for_whole_windows) {
    Graph graph = rgb();
    test::must(graph.conv2d(0, 12, 1, std::vector<float>(36), std::vector<float>(12)));
    test::must(graph.add({op::WindowAttention{2, 8, 32, 4, 16, 1, {}}, {1}}));
    EXPECT_EQ(text(graph.output().shape), "4 x H x W");
    EXPECT_EQ(graph.size_multiple(), 32);
    EXPECT_TRUE(graph.receptive_radius().has_value());
    EXPECT_NE(
        shape(op::WindowAttention{5, 8, 8, 0, 0, 1, {}}).find("12 channels; expected a multiple of 3 times 5 heads"),
        std::string::npos);
    EXPECT_NE(shape(op::WindowAttention{1, 8, 8, 8, 0, 1, {}}).find("8 rows of shift"), std::string::npos);
    EXPECT_NE(shape(op::WindowAttention{1, 8, 8, 0, 0, 1, zeros(7)}).find("7 biases"), std::string::npos);
    EXPECT_EQ(shape(op::GridAttention{2, 4, 4, 1, {}}), "4 x H x W");
    EXPECT_EQ(shape(op::ChannelAttention{2, 0, 0, zeros(2)}), "4 x H x W");
    EXPECT_NE(shape(op::ChannelAttention{2, 0, 0, zeros(3)}).find("3 temperatures; expected 2"), std::string::npos);
    EXPECT_NE(shape(op::OverlapAttention{2, 8, 11, 1, {}}, {1, 1}).find("inputs differ"), std::string::npos);
    EXPECT_EQ(shape(op::CrossAttention{2, 8, 4, 8, 4, 4, 2, 1, {}}, {1, 1, 1}), "12 x H x W");
    EXPECT_EQ(shape(op::CrossAttention{2, 0, 0, 0, 0, 0, 0, 1, {}}, {1, 1, 1}), "12 x H x W");
    EXPECT_NE(shape(op::CrossAttention{2, 8, 8, 4, 4, 4, 4, 1, {}}, {1, 1, 1}).find("expected as many of both"),
              std::string::npos);
    EXPECT_NE(shape(op::CrossAttention{2, 8, 8, 8, 8, 8, 0, 1, {}}, {1, 1, 1}).find("8 pixels of shift"),
              std::string::npos);
    EXPECT_NE(shape(op::CrossAttention{2, 8, 8, 8, 8, 0, 0, 1, zeros(7)}, {1, 1, 1}).find("7 biases"),
              std::string::npos);
    EXPECT_NE(shape(op::CategoryAttention{2, 8, 1}, {1, 1}).find("12 channels of numbers; expected 1"),
              std::string::npos);
}

// Queries of all pixels, keys and values of every fourth.
TEST(shapes, of_attention_to_fewer_pixels_are_local) {
    Graph graph = rgb();
    test::must(graph.conv2d(0, 4, 1, std::vector<float>(12), std::vector<float>(4)));
    test::must(graph.conv2d(0, 1, 1, std::vector<float>(3), std::vector<float>(1)));
    test::must(graph.add({op::PixelUnshuffle{2}, {2}}));
    test::must(graph.add({op::CrossAttention{2, 8, 8, 4, 4, 4, 4, 1, {}}, {1, 3, 3}}));
    EXPECT_EQ(text(graph.output().shape), "4 x H x W");
    EXPECT_EQ(graph.size_multiple(), 8);
    // A pixel of a window that begins 4 pixels into the picture sees all others of it.
    EXPECT_EQ(graph.receptive_radius(), 7);
}

TEST(extents, rounded_down_are_whole_for_any_picture) {
    const Extent map = floor_quotient(*sum(*quotient(Extent::rows(), 2), -8), 3).value();
    EXPECT_EQ(map.text(), "floor((H + 2)/6) - 3");
    EXPECT_EQ(map.multiple(), 1);
    for (const int rows : {14, 16, 18, 20, 22, 24}) EXPECT_EQ(map.at({8, rows}), (rows / 2 - 8 + 30) / 3 - 10) << rows;
    EXPECT_EQ(floor_quotient(floor_quotient(Extent::rows(), 4).value(), 4), floor_quotient(Extent::rows(), 16));
    EXPECT_EQ(floor_quotient(Extent(-7), 2), Extent(-4));
    EXPECT_EQ(product(map, 1), map);
    EXPECT_EQ(product(map, 2)->text(), "2floor((H + 2)/6) - 6");
    EXPECT_EQ(product(map, 2)->at({8, 22}), 2 * map.at({8, 22}));
    EXPECT_EQ(quotient(*product(map, 2), 2), map);
    EXPECT_EQ(floor_quotient(*sum(*product(map, 2), 1), 2), map);
    EXPECT_FALSE(floor_quotient(*product(map, 3), 2).has_value());
    EXPECT_EQ(sum(*product(map, 2), *product(map, -2)), Extent(0));
    EXPECT_EQ(sum(map, *product(map, 2)), product(map, 3));
    EXPECT_FALSE(product(map, Extent::columns()).has_value());
    EXPECT_FALSE(sum(map, Extent::rows()).has_value());
    EXPECT_FALSE(is_picture({3, map, map}));
}

TEST(extents, are_sums_and_products_of_sides) {
    const Extent h = Extent::rows(), w = Extent::columns(1, 2);
    EXPECT_EQ(product(h, w)->text(), "HW/2");
    EXPECT_EQ(product(*sum(h, 3), *sum(w, -1))->text(), "HW/2 - H + 3W/2 - 3");
    EXPECT_EQ(product(*sum(h, 3), *sum(w, -1))->at({8, 5}), 8 * 3);
    EXPECT_FALSE(product(h, h));
    EXPECT_FALSE(product(*product(h, w), w));
    EXPECT_FALSE(product(Extent(1 << 20), 1 << 20));
    EXPECT_FALSE(quotient(*sum(h, 3), 2));
    EXPECT_EQ(quotient(*product(h, Extent::columns()), 64)->multiple(), 8);
    EXPECT_EQ(quotient(h, 6)->multiple(), 6);
    EXPECT_EQ(w.multiple(), 2);
}

// Changes one field of an operation, whatever it is.
struct Change {
    template <class T>
    requires std::is_arithmetic_v<T>
    void operator()(T& field) { field = static_cast<T>(field == T{} ? 1 : 0); }
    template <class T>
    requires std::is_enum_v<T>
    void operator()(T& field) { field = static_cast<T>(static_cast<int>(field) == 0 ? 1 : 0); }
    void operator()(Values& field) { field = make_values({1, 2}); }
    void operator()(std::string& field) { field += '.'; }
    template <class T>
    void operator()(std::vector<T>& field) {
        field.emplace_back();
    }
};

template <std::size_t I = 0>
void each_field_counts() {
    using T = std::variant_alternative_t<I, Operation>;
    const T plain{};
    for (std::size_t changed = 0; changed < field_count<T>(); ++changed) {
        T other{};
        std::size_t index = 0;
        for_each_field(other, [&]<class Field>(const Field& field) {
            if (index++ == changed) Change()(const_cast<Field&>(field));
        });
        const std::string_view name = traits(Operation(plain)).name;
        EXPECT_NE(Operation(plain), Operation(other)) << name << ", field " << changed;
        EXPECT_NE(hash(Operation(plain)), hash(Operation(other))) << name << ", field " << changed;
    }
    if constexpr (I + 1 < std::variant_size_v<Operation>) each_field_counts<I + 1>();
}

TEST(operations, differ_in_equality_and_hash_when_any_field_differs) {
    each_field_counts();
    EXPECT_EQ(field_count<op::Conv2d>(), 14U);
    EXPECT_EQ(field_count<op::Silu>(), 0U);
}

TEST(operations, have_names_of_their_own) {
    std::set<std::string_view> names;
    for (const Operation& op :
         {Operation(op::Conv2d{}), Operation(op::ConvTranspose2d{}), Operation(op::Silu{}), Operation(op::Slice{})})
        names.insert(traits(op).name);
    EXPECT_EQ(names, (std::set<std::string_view>{"conv2d", "conv_transpose2d", "silu", "slice"}));
}

TEST(graphs, of_equal_operations_have_equal_hashes_and_others_do_not) {
    const auto one = test::compact_graph(1), same = test::compact_graph(1), other = test::compact_graph(2);
    EXPECT_EQ(hash(one), hash(same));
    EXPECT_NE(hash(one), hash(other));
    Graph swapped = rgb(), straight = rgb();
    for (Graph* graph : {&swapped, &straight}) test::must(graph->add({op::Silu{}, {0}}));
    test::must(swapped.add({op::SpanGate{}, {1, 0}}));
    test::must(straight.add({op::SpanGate{}, {0, 1}}));
    EXPECT_NE(hash(swapped), hash(straight));
}

}  // namespace
}  // namespace enlarge
