// SPDX-License-Identifier: Apache-2.0
// Every operation of the vocabulary that ONNX can say, written and read again: the same result on the same picture.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "arch/arch.hpp"
#include "arch/importer.hpp"
#include "backend/reference/ops.hpp"
#include "export/onnx.hpp"
#include "graph/traits.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::must;
using test::NetworkBuilder;

constexpr int kChannels = 12;
constexpr int kRows = 8, kColumns = 12;

Values numbers(std::uint64_t seed, std::size_t count, float low = -0.5F, float high = 0.5F) {
    test::Random random(seed);
    return make_values(random.floats(count, low, high));
}

// Biases of all pairs that depend on the difference of their places alone.
Values by_offset(std::uint64_t seed, int heads, Size window, Size keys) {
    const int rows = window.height + keys.height - 1, columns = window.width + keys.width - 1;
    const Values table = numbers(seed, static_cast<std::size_t>(heads * rows * columns));
    std::vector<float> all;
    for (int head = 0; head < heads; ++head)
        for (int i = 0; i < window.height * window.width; ++i)
            for (int j = 0; j < keys.height * keys.width; ++j) {
                const int row = i / window.width - j / keys.width + keys.height - 1,
                          column = i % window.width - j % keys.width + keys.width - 1;
                all.push_back((*table)[static_cast<std::size_t>((head * rows + row) * columns + column)]);
            }
    return make_values(std::move(all));
}

// A network whose middle is what `add` makes of a picture of 12 channels: another picture.
struct Case {
    const char* name;
    std::function<int(NetworkBuilder&, int)> add;
    bool same_graph = true;  // read as the same operations
};

// One operation on the picture.
Case plain(Operation op) {
    return {traits(op).name.data(), [op](NetworkBuilder& b, int x) { return b.append(op, {x}); }};
}

op::Conv2d odd_conv() { return {3, 5, 1, 1, 2, 1, 3, 2, 2, 2, 2, numbers(1, 6 * 4 * 15), numbers(2, 6)}; }

op::WindowAttention window(int shift, bool table, op::WindowAttention::Beyond beyond = {}, int unit = 1) {
    op::WindowAttention op{3, 4, 2, shift, shift / 2, 0.5F, numbers(20, 3 * (table ? 7 * 3 : 64)), beyond, unit};
    return op;
}

op::CrossAttention cross(int shift, bool table) {
    return {2, 4, 4, 2, 2, shift, shift, 0.5F, numbers(21, 2 * (table ? 5 * 5 : 64))};
}

// Attention of queries, keys and values that are made of the picture.
Case attention(Operation op) {
    return {traits(op).name.data(), [op](NetworkBuilder& b, int x) { return b.append(op, {b.conv(x, 3 * kChannels, 1)}); },
            false};
}

Case crossed(const op::CrossAttention& op) {
    return {"cross_attention",
            [op](NetworkBuilder& b, int x) {
                const int other = b.append(op::AveragePool{}, {x});
                return b.append(op, {b.conv(x, kChannels, 1), b.conv(other, kChannels, 1), b.conv(other, kChannels, 1)});
            },
            false};
}

std::vector<Case> attentions() {
    using Beyond = op::WindowAttention::Beyond;
    return {
        attention(window(0, false)),
        attention(window(0, true)),
        attention(window(2, true)),
        attention(window(3, false)),
        attention(window(0, true, Beyond::zeros, 4)),
        attention(window(2, false, Beyond::reflect, 4)),
        attention(op::WindowAttention{2, 8, 4, 0, 2, 0.3F, {}}),
        attention(op::GridAttention{3, 4, 2, 0.5F, numbers(22, 3 * 64)}),
        attention(op::GridAttention{1, 2, 2, 0.5F, {}}),
        attention(op::GridAttention{3, 4, 2, 0.5F, by_offset(22, 3, {2, 4}, {2, 4})}),
        attention(op::ChannelAttention{2, 0, 1e-12F, numbers(23, 2, 0.5F, 2)}),
        attention(op::ChannelAttention{3, 4, 1e-12F, numbers(24, 3, 0.5F, 2)}),
        {"overlap_attention",
         [](auto& b, int x) {
             const op::OverlapAttention op{2, 4, 6, 0.5F, numbers(25, 2 * 16 * 36)}, far{2, 2, 8, 0.5F, numbers(26, 2 * 4 * 64)};
             const int near = b.append(op, {b.conv(x, kChannels, 1), b.conv(x, 2 * kChannels, 1)});
             return b.append(far, {near, b.conv(x, 2 * kChannels, 1)});
         },
         false},
        {"overlap_attention",
         [](auto& b, int x) {
             const op::OverlapAttention op{2, 4, 6, 0.5F, by_offset(27, 2, {4, 4}, {6, 6})};
             return b.append(op, {b.conv(x, kChannels, 1), b.conv(x, 2 * kChannels, 1)});
         },
         false},
        crossed(cross(0, false)),
        crossed(cross(0, true)),
        crossed(cross(2, true)),
        crossed(cross(1, false)),
        crossed({2, 0, 0, 0, 0, 0, 0, 0.5F, {}}),
        {"category_attention",
         [](auto& b, int x) {
             return b.append(op::CategoryAttention{2, 16, 0.5F}, {b.conv(x, 3 * kChannels, 1), b.append(op::Argmax{0}, {x})});
         },
         false},
    };
}

std::vector<Case> cases() {
    const Values twelve = numbers(3, kChannels), others = numbers(4, kChannels);
    const Shape rows{kChannels, product(Extent::rows(), Extent::columns()).value()};
    std::vector<Case> all{
        plain(odd_conv()),
        plain(op::Prelu{twelve}),
        plain(op::LeakyRelu{0.1F}),
        plain(op::LeakyRelu{0}),
        plain(op::Silu{}),
        {"add", [](auto& b, int x) { return b.add(x, b.conv(x, kChannels), 0.2F, 1); }},
        {"concat",
         [](auto& b, int x) {
             return b.concat({x, b.conv(x, 4)});
         }},
        {"concat",
         [](auto& b, int x) {
             const int down = b.append(op::Concat{1}, {x, b.conv(x, kChannels)});
             return b.append(op::Concat{2}, {down, down});
         }},
        plain(op::PixelShuffle{2}),
        {"pixel_unshuffle", [](auto& b, int x) { return b.pixel_shuffle(b.pixel_unshuffle(x, 2), 4); }},
        {"pixel_unshuffle", [](auto& b, int x) { return b.pixel_shuffle(b.pixel_unshuffle(x, 4), 4); }},  // many
        plain(op::UpsampleNearest{3}),
        plain(op::ScaleShift{twelve, others}),
        {"span_gate", [](auto& b, int x) { return b.span_gate(b.conv(x, kChannels), x); }},
        {"constant",
         [](auto& b, int x) {
             return b.append(op::Multiply{}, {x, b.append(op::Constant{{kChannels, 1, 1}, numbers(5, kChannels)}, {})});
         },
         false},
        plain(
            op::ConvTranspose2d{4, 4, 2, 2, 1, 1, 2, 1, 1, 1, 1, 0, 0, numbers(6, kChannels * 4 * 16), numbers(7, 8)}),
        {"linear",
         [&, rows](auto& b, int x) {
             const int tokens = b.append(op::Transpose{{1, 0}}, {b.append(op::Reshape{rows}, {x})});
             const int made = b.append(op::Linear{numbers(8, 8 * kChannels), numbers(9, 8)}, {tokens});
             const int back = b.append(op::Transpose{{1, 0}}, {made});
             return b.append(op::Reshape{{8, Extent::rows(), Extent::columns()}}, {back});
         }},
        {"matmul",
         [rows](auto& b, int x) {
             const int flat = b.append(op::Reshape{rows}, {x});
             const int weights = b.append(op::Softmax{1}, {b.append(op::MatMul{true, 0.1F}, {flat, flat})});
             const int mixed = b.append(op::MatMul{}, {weights, flat});
             return b.append(op::Reshape{{kChannels, Extent::rows(), Extent::columns()}}, {mixed});
         }},
        plain(op::Gelu{false}),
        plain(op::Gelu{true}),
        plain(op::Mish{}),
        plain(op::Sigmoid{}),
        plain(op::HardSwish{}),
        plain(op::Tanh{}),
        plain(op::Exp{}),
        {"sqrt", [](auto& b, int x) { return b.append(op::Sqrt{}, {b.append(op::Abs{}, {x})}); }},
        plain(op::Abs{}),
        plain(op::Clamp{-0.25F, 0.5F}),
        {"multiply",
         [](auto& b, int x) {
             return b.append(op::Multiply{}, {x, b.conv(x, kChannels)});
         }},
        {"maximum",
         [](auto& b, int x) {
             return b.append(op::Maximum{}, {x, b.conv(x, kChannels)});
         }},
        plain(op::LayerNorm{0, 1e-5F, twelve, others}),
        {"layer_norm",
         [](auto& b, int x) {
             return b.append(op::LayerNorm{0, 1e-6F, numbers(10, kChannels), numbers(11, kChannels)}, {x});
         }},
        plain(op::GroupNorm{3, 1e-5F, twelve, others}),
        plain(op::InstanceNorm{1e-5F, twelve, others}),
        plain(op::RmsNorm{0, 1e-6F, twelve}),
        plain(op::L2Norm{}),
        {"l2_norm",
         [rows](auto& b, int x) {
             const int long_ones = b.append(op::L2Norm{1, 1e-12F}, {b.append(op::Reshape{rows}, {x})});
             return b.append(op::Reshape{{kChannels, Extent::rows(), Extent::columns()}}, {long_ones});
         }},
        plain(op::Softmax{0}),
        {"global_mean",
         [](auto& b, int x) {
             return b.append(op::Multiply{}, {x, b.append(op::Sigmoid{}, {b.append(op::GlobalMean{}, {x})})});
         }},
        plain(op::AveragePool{3, 1, 1}),
        plain(op::AveragePool{3, 1, 1, false}),
        plain(op::MaxPool{3, 1, 1}),
        plain(op::Resize{}),
        plain(op::Resize{op::Resize::Mode::bicubic, false, 2, 1, -0.5F}),
        plain(op::Resize{op::Resize::Mode::bilinear, true, 3, 1}),
        {"resize",
         [](auto& b, int x) {
             return b.append(op::Resize{op::Resize::Mode::nearest, false, 3, 2}, {b.upsample_nearest(x, 2)});
         }},
        {"grid_sample",
         [](auto& b, int x) {
             const int places = b.append(op::Tanh{}, {b.conv(x, 2)});
             return b.append(op::GridSample{op::GridSample::Beyond::border, true}, {x, places});
         }},
        {"pad",
         [](auto& b, int x) {
             return b.append(op::Crop{2, 0, 0, 1}, {b.append(op::Pad{op::Pad::Mode::reflect, 0, 1, 2, 0}, {x})});
         }},
        {"crop",
         [](auto& b, int x) {
             return b.append(op::Pad{op::Pad::Mode::zeros, 1, 2, 3, 1}, {b.append(op::Crop{1, 2, 3, 1}, {x})});
         }},
        plain(op::Roll{1, -2}),
        plain(op::Argmax{0}),
        {"gather",
         [](auto& b, int x) {
             return b.append(op::Gather{0}, {x, b.append(op::Argmax{0}, {x})});
         }},
        {"gather",
         [](auto& b, int x) {  // whole slices
             const int order = b.append(op::Argsort{0}, {b.append(op::Reshape{{kChannels}}, {b.append(op::GlobalMean{}, {x})})});
             return b.append(op::Gather{0}, {x, order});
         },
         false},
        {"argsort", [](auto& b, int x) { return b.append(op::Argsort{0, true}, {x}); }, false},
        {"add", [](auto& b, int x) { return b.add(x, b.append(op::Constant{{1}, numbers(12, 1)}, {})); }, false},
        {"layer_norm",
         [rows](auto& b, int x) {
             const int flat = b.append(op::Reshape{{2, 6, rows[1]}}, {x});
             const int made = b.append(op::LayerNorm{1, 1e-5F, numbers(13, 6), numbers(14, 6)}, {flat});
             return b.append(op::Reshape{{kChannels, Extent::rows(), Extent::columns()}}, {made});
         },
         false},
        {"resize",
         [](auto& b, int x) {
             return b.append(op::Resize{}, {b.append(op::AveragePool{}, {x}), x});
         },
         false},
        {"grid_sample",
         [](auto& b, int x) {
             return b.append(op::GridSample{op::GridSample::Beyond::zeros, false, 2}, {x, b.append(op::Tanh{}, {b.conv(x, 4)})});
         },
         false},
        {"dynamic_conv2d",
         [](auto& b, int x) {
             const int each = b.append(op::DynamicConv2d{3}, {x, b.conv(x, 9 * kChannels)});
             const int shared = b.append(op::DynamicConv2d{5}, {x, b.conv(x, 3 * 25)});
             const int everywhere = b.append(op::GlobalMean{}, {b.conv(x, 9)});
             return b.add(b.append(op::DynamicConv2d{3}, {each, everywhere}), shared);
         },
         false},
    };
    for (Case& attention : attentions()) all.push_back(std::move(attention));
    const Case rest[] = {
        plain(op::Slice{0, 2, op::Slice::kEnd, 2}),
        {"transpose",
         [](auto& b, int x) {
             return b.append(op::Transpose{{0, 2, 1}}, {b.append(op::Transpose{{0, 2, 1}}, {x})});
         },
         false},
        {"reshape",
         [rows](auto& b, int x) {
             const int flat = b.append(op::Tanh{}, {b.append(op::Reshape{rows}, {x})});
             return b.append(op::Reshape{{kChannels, Extent::rows(), Extent::columns()}}, {flat});
         }},
    };
    all.insert(all.end(), std::begin(rest), std::end(rest));
    return all;
}

reference::Tensor run(const Graph& graph) {
    reference::Tensor picture({3, kRows, kColumns});
    test::Random random(7);
    picture.values = random.floats(picture.values.size(), 0, 1);
    std::vector<reference::Tensor> inputs;
    inputs.push_back(std::move(picture));
    return must(reference::evaluate(graph, std::move(inputs), nullptr));
}

Graph network(const Case& wanted) {
    NetworkBuilder b(1, 3);
    b.conv(wanted.add(b, b.conv(0, kChannels)), 3);
    return b.finish();
}

Result<Network> read_again(const Graph& graph) {
    const std::string bytes = must(write_onnx(graph));
    return recognise(must(read_weights(std::as_bytes(std::span(bytes)))));
}

TEST(round_trip, every_operation_that_onnx_can_say_computes_the_same_when_read_again) {
    for (const Case& wanted : cases()) {
        const Graph graph = network(wanted);
        const auto again = read_again(graph);
        ASSERT_TRUE(again.ok()) << wanted.name << ": " << again.error().message;
        EXPECT_EQ(again->family, "ONNX graph") << wanted.name;
        EXPECT_EQ(again->scale, graph.scale()) << wanted.name;
        const reference::Tensor mine = run(graph), theirs = run(again->graph);
        ASSERT_EQ(theirs.sides, mine.sides) << wanted.name;
        float largest = 1, off = 0;
        for (std::size_t i = 0; i < mine.values.size(); ++i) {
            largest = std::max(largest, std::fabs(mine.values[i]));
            const float difference = std::fabs(mine.values[i] - theirs.values[i]);
            off = difference <= off ? off : difference;  // NaN stays
        }
        EXPECT_LE(off, 1e-5F * largest) << wanted.name;
        EXPECT_TRUE(!wanted.same_graph || same_network(graph, again->graph)) << wanted.name << ": " << again->variant;
    }
}

TEST(round_trip, files_hold_what_the_weights_do_and_not_what_follows_from_shapes) {
    const auto bytes = [](const std::function<int(NetworkBuilder&, int)>& add) {
        return must(write_onnx(network({"", add, false}))).size();
    };
    const std::size_t nothing = bytes([](NetworkBuilder&, int x) { return x; });
    // 6 MB as a convolution that picks.
    const auto moving = [](NetworkBuilder& b, int x) { return b.pixel_shuffle(b.pixel_unshuffle(x, 12), 12); };
    EXPECT_LE(bytes(moving), nothing + 4000);
    // 256 x 256 pairs for each head: 786 kB as they are.
    const auto attending = [&](const Values& bias) {
        return bytes([&](NetworkBuilder& b, int x) {
            return b.append(op::GridAttention{3, 16, 16, 0.5F, bias}, {b.conv(x, 3 * kChannels, 1)});
        });
    };
    EXPECT_LE(attending(by_offset(30, 3, {16, 16}, {16, 16})), nothing + 30000);
    EXPECT_GE(attending(numbers(31, std::size_t{3} * 256 * 256)), nothing + 786432);
    // One filter of two layers.
    const Values filter = numbers(32, kChannels * kChannels * 81), shift = numbers(33, kChannels);
    const auto twice = [&](const Values& other) {
        return bytes([&](NetworkBuilder& b, int x) {
            const int first = b.append(op::Conv2d{9, 9, 1, 1, 1, 1, 1, 4, 4, 4, 4, filter, shift}, {x});
            return b.append(op::Conv2d{9, 9, 1, 1, 1, 1, 1, 4, 4, 4, 4, other, shift}, {first});
        });
    };
    EXPECT_LE(twice(make_values(*filter)) + 46000, twice(numbers(34, kChannels * kChannels * 81)));
}

TEST(round_trip, no_operation_is_left_out) {
    std::set<std::string_view> tried;
    for (const Case& wanted : cases()) {
        const Graph graph = network(wanted);
        for (const Node& node : graph.nodes()) tried.insert(node.name());
    }
    EXPECT_EQ(tried.size(), std::variant_size_v<Operation>);
}

}  // namespace
}  // namespace enlarge
