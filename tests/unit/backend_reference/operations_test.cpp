// SPDX-License-Identifier: Apache-2.0
// Every operation, and two networks of many, against PyTorch: tests/golden/data/operations.safetensors was written by
// tools/make_operation_golden.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <span>

#include "backend/reference/ops.hpp"
#include "backend/reference/reference.hpp"
#include "graph/traits.hpp"
#include "support/networks.hpp"
#include "support/source_folder.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {
namespace {

using test::must;

// All parts of the file: "case/part".
const StateDict& golden() {
    static const StateDict file = [] {
        std::ifstream in(test::source_folder() + "/tests/golden/data/operations.safetensors", std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        return must(read_weights(std::as_bytes(std::span(bytes))));
    }();
    return file;
}

struct Parts {
    std::string name;
    [[nodiscard]] bool has(const std::string& part) const { return golden().tensors.contains(name + "/" + part); }
    [[nodiscard]] const Tensor& operator[](const std::string& part) const {
        return golden().tensors.at(name + "/" + part);
    }
    [[nodiscard]] Values values(const std::string& part) const { return make_values((*this)[part].values); }
    [[nodiscard]] op::Conv2d conv(const std::string& prefix = "") const {
        const auto& shape = (*this)[prefix + "weight"].shape;
        op::Conv2d conv;
        conv.kernel_h = static_cast<int>(shape[2]);
        conv.kernel_w = static_cast<int>(shape[3]);
        conv.pad_top = conv.pad_bottom = conv.kernel_h / 2;
        conv.pad_left = conv.pad_right = conv.kernel_w / 2;
        conv.weights = values(prefix + "weight");
        conv.bias = values(prefix + "bias");
        return conv;
    }
};

op::Conv2d with(op::Conv2d conv, int stride_h, int stride_w, int dilation, int groups, int pad_h, int pad_w) {
    conv.stride_h = stride_h;
    conv.stride_w = stride_w;
    conv.dilation_h = conv.dilation_w = dilation;
    conv.groups = groups;
    conv.pad_top = conv.pad_bottom = pad_h;
    conv.pad_left = conv.pad_right = pad_w;
    return conv;
}

op::ConvTranspose2d transposed(const Parts& p) {
    op::ConvTranspose2d conv;
    conv.kernel_h = static_cast<int>(p["weight"].shape[2]);
    conv.kernel_w = static_cast<int>(p["weight"].shape[3]);
    conv.stride_h = conv.stride_w = 2;
    conv.pad_top = conv.pad_left = conv.pad_bottom = conv.pad_right = 1;
    conv.weights = p.values("weight");
    conv.bias = p.values("bias");
    return conv;
}

using Mode = op::Resize::Mode;
using Beyond = op::GridSample::Beyond;

// What each case of the file computes from x (and y).
const std::map<std::string, std::function<Operation(const Parts&)>> kCases = {
    {"conv2d", [](const Parts& p) { return p.conv(); }},
    {"conv2d_strided", [](const Parts& p) { return with(p.conv(), 2, 2, 1, 1, 1, 1); }},
    {"conv2d_grouped", [](const Parts& p) { return with(p.conv(), 1, 1, 1, 2, 1, 1); }},
    {"conv2d_depthwise", [](const Parts& p) { return with(p.conv(), 1, 1, 1, 4, 3, 3); }},
    {"conv2d_dilated", [](const Parts& p) { return with(p.conv(), 1, 1, 2, 1, 2, 2); }},
    {"conv2d_rectangular", [](const Parts& p) { return with(p.conv(), 1, 2, 1, 1, 0, 2); }},
    {"conv2d_valid", [](const Parts& p) { return with(p.conv(), 1, 1, 1, 1, 0, 0); }},
    {"conv_transpose2d", [](const Parts& p) { return transposed(p); }},
    {"conv_transpose2d_grouped",
     [](const Parts& p) {
         op::ConvTranspose2d conv = transposed(p);
         conv.groups = 2;
         conv.extra_h = conv.extra_w = 1;
         return conv;
     }},
    {"conv_transpose2d_dilated",
     [](const Parts& p) {
         op::ConvTranspose2d conv = transposed(p);
         conv.stride_h = 3;
         conv.dilation_h = 2;
         conv.pad_left = conv.pad_right = 0;
         return conv;
     }},
    {"dynamic_conv2d", [](const Parts&) { return op::DynamicConv2d{3}; }},
    {"dynamic_conv2d_global", [](const Parts&) { return op::DynamicConv2d{3}; }},
    {"linear",
     [](const Parts& p) {
         return op::Linear{p.values("weight"), p.values("bias")};
     }},
    {"matmul",
     [](const Parts&) {
         return op::MatMul{false, 0.5F};
     }},
    {"matmul_transposed",
     [](const Parts&) {
         return op::MatMul{true, 1};
     }},
    {"prelu", [](const Parts& p) { return op::Prelu{p.values("slopes")}; }},
    {"scale_shift",
     [](const Parts& p) {
         return op::ScaleShift{p.values("scale"), p.values("shift")};
     }},
    {"leaky_relu", [](const Parts&) { return op::LeakyRelu{0.2F}; }},
    {"relu", [](const Parts&) { return op::LeakyRelu{0}; }},
    {"silu", [](const Parts&) { return op::Silu{}; }},
    {"gelu", [](const Parts&) { return op::Gelu{false}; }},
    {"gelu_tanh", [](const Parts&) { return op::Gelu{true}; }},
    {"mish", [](const Parts&) { return op::Mish{}; }},
    {"sigmoid", [](const Parts&) { return op::Sigmoid{}; }},
    {"tanh", [](const Parts&) { return op::Tanh{}; }},
    {"hard_swish", [](const Parts&) { return op::HardSwish{}; }},
    {"exp", [](const Parts&) { return op::Exp{}; }},
    {"sqrt", [](const Parts&) { return op::Sqrt{}; }},
    {"abs", [](const Parts&) { return op::Abs{}; }},
    {"clamp",
     [](const Parts&) {
         return op::Clamp{-1, 2};
     }},
    {"add",
     [](const Parts&) {
         return op::Add{0.5F, 2};
     }},
    {"multiply", [](const Parts&) { return op::Multiply{}; }},
    {"multiply_per_channel", [](const Parts&) { return op::Multiply{}; }},
    {"multiply_per_pixel", [](const Parts&) { return op::Multiply{}; }},
    {"multiply_row", [](const Parts&) { return op::Multiply{}; }},
    {"maximum", [](const Parts&) { return op::Maximum{}; }},
    {"span_gate", [](const Parts&) { return op::SpanGate{}; }},
    {"concat", [](const Parts&) { return op::Concat{0}; }},
    {"concat_rows", [](const Parts&) { return op::Concat{1}; }},
    {"layer_norm",
     [](const Parts& p) {
         return op::LayerNorm{-1, 1e-6F, p.values("scale"), p.values("shift")};
     }},
    {"layer_norm_channels",
     [](const Parts& p) {
         return op::LayerNorm{0, 1e-5F, p.values("scale"), p.values("shift")};
     }},
    {"group_norm",
     [](const Parts& p) {
         return op::GroupNorm{2, 1e-5F, p.values("scale"), p.values("shift")};
     }},
    {"instance_norm",
     [](const Parts& p) {
         return op::InstanceNorm{1e-5F, p.values("scale"), p.values("shift")};
     }},
    {"rms_norm",
     [](const Parts& p) {
         return op::RmsNorm{-1, 1e-6F, p.values("scale")};
     }},
    {"l2_norm",
     [](const Parts&) {
         return op::L2Norm{-1, 1e-12F};
     }},
    {"softmax", [](const Parts&) { return op::Softmax{-1}; }},
    {"softmax_channels", [](const Parts&) { return op::Softmax{0}; }},
    {"global_mean", [](const Parts&) { return op::GlobalMean{}; }},
    {"average_pool",
     [](const Parts&) {
         return op::AveragePool{3, 2, 1, true};
     }},
    {"average_pool_inside",
     [](const Parts&) {
         return op::AveragePool{3, 2, 1, false};
     }},
    {"max_pool",
     [](const Parts&) {
         return op::MaxPool{7, 3, 0};
     }},
    {"max_pool_padded",
     [](const Parts&) {
         return op::MaxPool{3, 2, 1};
     }},
    {"window_attention", [](const Parts& p) { return op::WindowAttention{2, 4, 4, 0, 0, 0.7F, p.values("bias")}; }},
    {"window_attention_shifted",
     [](const Parts& p) { return op::WindowAttention{2, 4, 4, 2, 2, 0.7F, p.values("bias")}; }},
    {"window_attention_rectangular",
     [](const Parts& p) { return op::WindowAttention{2, 2, 6, 1, 3, 0.7F, p.values("bias")}; }},
    {"overlap_attention",
     [](const Parts& p) {
         return op::OverlapAttention{2, 4, 6, 0.5F, p.values("bias")};
     }},
    {"grid_attention",
     [](const Parts& p) {
         return op::GridAttention{2, 4, 2, 0.7F, p.values("bias")};
     }},
    {"channel_attention",
     [](const Parts& p) {
         return op::ChannelAttention{2, 0, 1e-12F, p.values("temperature")};
     }},
    {"channel_attention_windows",
     [](const Parts& p) {
         return op::ChannelAttention{2, 4, 1e-12F, p.values("temperature")};
     }},
    {"pixel_shuffle", [](const Parts&) { return op::PixelShuffle{2}; }},
    {"pixel_unshuffle", [](const Parts&) { return op::PixelUnshuffle{2}; }},
    {"upsample_nearest", [](const Parts&) { return op::UpsampleNearest{3}; }},
    {"resize_nearest",
     [](const Parts&) {
         return op::Resize{Mode::nearest, false, 2, 1};
     }},
    {"resize_nearest_smaller",
     [](const Parts&) {
         return op::Resize{Mode::nearest, false, 1, 2};
     }},
    {"resize_bilinear",
     [](const Parts&) {
         return op::Resize{Mode::bilinear, false, 2, 1};
     }},
    {"resize_bilinear_aligned",
     [](const Parts&) {
         return op::Resize{Mode::bilinear, true, 2, 1};
     }},
    {"resize_bicubic",
     [](const Parts&) {
         return op::Resize{Mode::bicubic, false, 2, 1};
     }},
    {"resize_bicubic_aligned",
     [](const Parts&) {
         return op::Resize{Mode::bicubic, true, 2, 1};
     }},
    {"resize_bicubic_smaller",
     [](const Parts&) {
         return op::Resize{Mode::bicubic, false, 1, 2};
     }},
    {"resize_like",
     [](const Parts&) {
         return op::Resize{Mode::bilinear, false};
     }},
    {"grid_sample_zeros",
     [](const Parts&) {
         return op::GridSample{Beyond::zeros, false, 2};
     }},
    {"grid_sample_zeros_aligned",
     [](const Parts&) {
         return op::GridSample{Beyond::zeros, true, 2};
     }},
    {"grid_sample_border",
     [](const Parts&) {
         return op::GridSample{Beyond::border, false, 2};
     }},
    {"grid_sample_border_aligned",
     [](const Parts&) {
         return op::GridSample{Beyond::border, true, 2};
     }},
    {"pad_zeros",
     [](const Parts&) {
         return op::Pad{op::Pad::Mode::zeros, 0, 1, 3, 2};
     }},
    {"pad_reflect",
     [](const Parts&) {
         return op::Pad{op::Pad::Mode::reflect, 2, 3, 4, 1};
     }},
    {"crop",
     [](const Parts&) {
         return op::Crop{1, 2, 2, 1};
     }},
    {"roll",
     [](const Parts&) {
         return op::Roll{2, -1};
     }},
    {"argmax", [](const Parts&) { return op::Argmax{0}; }},
    {"argsort",
     [](const Parts&) {
         return op::Argsort{-1, false};
     }},
    {"argsort_descending",
     [](const Parts&) {
         return op::Argsort{0, true};
     }},
    {"gather_slices", [](const Parts&) { return op::Gather{1}; }},
    {"gather_numbers", [](const Parts&) { return op::Gather{1}; }},
    {"reshape",
     [](const Parts&) {
         return op::Reshape{{6, 10}};
     }},
    {"transpose",
     [](const Parts&) {
         return op::Transpose{{2, 0, 1}};
     }},
    {"slice",
     [](const Parts&) {
         return op::Slice{2, 1, -1, 2};
     }},
    {"conv2d_ragged",
     [](const Parts& p) {
         op::Conv2d conv = with(p.conv(), 4, 4, 1, 3, 0, 0);
         conv.ragged = true;
         return conv;
     }},
    {"max_pool_ragged",
     [](const Parts&) {
         return op::MaxPool{.kernel = 7, .stride = 3, .ragged = true};
     }},
    {"cross_attention", [](const Parts& p) { return op::CrossAttention{2, 4, 4, 2, 2, 2, 2, 0.7F, p.values("bias")}; }},
    {"cross_attention_table",
     [](const Parts& p) { return op::CrossAttention{2, 2, 3, 4, 6, 1, 0, 0.7F, p.values("bias")}; }},
    {"cross_attention_whole",
     [](const Parts&) {
         return op::CrossAttention{2, 0, 0, 0, 0, 0, 0, 0.7F, {}};
     }},
    {"category_attention",
     [](const Parts&) {
         return op::CategoryAttention{2, 8, 0.7F};
     }},
    {"category_attention_few",
     [](const Parts&) {
         return op::CategoryAttention{2, 64, 0.7F};
     }},
};

void expect_close(const reference::Tensor& found, const Tensor& expected, const std::string& name) {
    ASSERT_EQ(found.sides, expected.shape) << name;
    float largest = 1, off = 0;
    for (const float value : expected.values) largest = std::max(largest, std::fabs(value));
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
        ASSERT_TRUE(std::isfinite(found.values[i])) << name;
        off = std::max(off, std::fabs(found.values[i] - expected.values[i]));
    }
    EXPECT_LE(off, 1e-5F * largest) << name;
}

reference::Tensor picture_of(const Tensor& tensor) { return {tensor.shape, tensor.values}; }

int constant(Graph& graph, const Tensor& tensor) {
    return must(graph.add({op::Constant{{tensor.shape.begin(), tensor.shape.end()}, make_values(tensor.values)}, {}}));
}

TEST(operations, compute_what_the_training_framework_does) {
    for (const auto& [name, operation] : kCases) {
        const Parts parts{name};
        Graph graph;
        must(graph.input(1));
        std::vector<int> operands{constant(graph, parts["x"])};
        for (const char* more : {"y", "z"})
            if (parts.has(more)) operands.push_back(constant(graph, parts[more]));
        const auto added = graph.add({operation(parts), operands});
        ASSERT_TRUE(added.ok()) << name << ": " << added.error().message;
        ThreadPool pool(2);
        const std::vector<reference::Tensor> picture{reference::Tensor({1, 1, 1})};
        const reference::Tensor alone = must(reference::evaluate(graph, picture, nullptr));
        expect_close(alone, parts["out"], name);
        EXPECT_EQ(alone.values, must(reference::evaluate(graph, picture, &pool)).values) << name << ", with threads";
    }
}

TEST(operations, are_all_compared) {
    std::set<std::size_t> compared;
    for (const auto& [name, operation] : kCases) compared.insert(operation(Parts{name}).index());
    compared.insert(Operation(op::Input{}).index());
    compared.insert(Operation(op::Constant{}).index());  // an operand of all
    EXPECT_EQ(compared.size(), std::variant_size_v<Operation>);
    std::set<std::string> cases;
    for (const auto& [key, tensor] : golden().tensors) cases.insert(key.substr(0, key.find('/')));
    EXPECT_EQ(cases.size(), kCases.size() + 2);  // the networks below
}

// A network under construction from a golden case's parts.
struct FromParts {
    Parts parts;
    Graph graph;
    int append(Operation op, std::vector<int> from) { return must(graph.add({std::move(op), std::move(from)})); }
    int conv(int from, const std::string& name) { return append(parts.conv(name + "_"), {from}); }
    int norm(int from, const std::string& name) {
        return append(op::LayerNorm{0, 1e-5F, parts.values(name + "_scale"), parts.values(name + "_shift")}, {from});
    }
    int add(int a, int b) { return append(op::Add{}, {a, b}); }
};

Graph swin() {
    FromParts n{{"network_swin"}, {}};
    must(n.graph.input(3));
    const int first = n.conv(0, "first");
    int y = first;
    for (const std::string i : {"0", "1"}) {
        const int shift = i == "1" ? 2 : 0;
        const int qkv = n.conv(n.norm(y, "norm" + i + "a"), "qkv" + i);
        y = n.add(y,
                  n.conv(n.append(op::WindowAttention{2, 4, 4, shift, shift, 0.5F, n.parts.values("table" + i)}, {qkv}),
                         "proj" + i));
        y = n.add(y,
                  n.conv(n.append(op::Gelu{}, {n.conv(n.norm(y, "norm" + i + "b"), "fc" + i + "a")}), "fc" + i + "b"));
    }
    y = n.add(n.conv(n.norm(y, "norm"), "body"), first);
    n.append(op::PixelShuffle{2}, {n.conv(y, "up")});
    return std::move(n.graph);
}

Graph plksr() {
    FromParts n{{"network_plksr"}, {}};
    must(n.graph.input(3));
    const int first = n.conv(0, "first");
    int y = n.conv(n.append(op::Mish{}, {n.conv(first, "mix_a")}), "mix_b");
    y = n.append(op::Concat{}, {n.conv(n.append(op::Slice{0, 0, 4}, {y}), "large"), n.append(op::Slice{0, 4}, {y})});
    y = n.conv(n.append(op::Multiply{}, {y, n.append(op::Sigmoid{}, {n.conv(y, "gate")})}), "refine");
    y = n.add(n.append(op::GroupNorm{4, 1e-5F, n.parts.values("norm_scale"), n.parts.values("norm_shift")}, {y}),
              first);
    n.append(op::PixelShuffle{2}, {n.conv(y, "last")});
    const int shuffled = static_cast<int>(n.graph.nodes().size()) - 1;
    n.add(shuffled, n.append(op::UpsampleNearest{2}, {0}));
    return std::move(n.graph);
}

TEST(operations, make_networks_that_compute_what_the_training_framework_does) {
    expect_close(must(reference::evaluate(swin(), {picture_of(Parts{"network_swin"}["x"])}, nullptr)),
                 Parts{"network_swin"}["out"], "swin");
    expect_close(must(reference::evaluate(plksr(), {picture_of(Parts{"network_plksr"}["x"])}, nullptr)),
                 Parts{"network_plksr"}["out"], "plksr");
}

TEST(operations, tell_of_networks_whether_they_are_local) {
    // Window attention and layer norms are: each pixel's windows, and the convolutions around them.
    EXPECT_EQ(swin().size_multiple(), 4);
    EXPECT_TRUE(swin().validate().ok());
    EXPECT_GT(swin().receptive_radius().value_or(-1), 4);
    // A group norm is not.
    EXPECT_TRUE(plksr().validate().ok());
    EXPECT_FALSE(plksr().receptive_radius().has_value());
}

TEST(operations, local_networks_read_no_further_than_their_radius) {
    const Graph graph = swin();
    const int radius = graph.receptive_radius().value();
    test::Random random(1);
    reference::Tensor picture({3, 24, 48});
    picture.values = random.floats(picture.values.size(), 0, 1);
    const reference::Tensor before = must(reference::evaluate(graph, {picture}, nullptr));
    int reach = 0;
    for (int lit = 16; lit < 24; ++lit) {
        reference::Tensor changed = picture;
        for (int y = 0; y < 24; ++y) changed.row(0, y)[lit] += 10;
        const reference::Tensor after = must(reference::evaluate(graph, {changed}, nullptr));
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < after.height(); ++y)
                for (int x = 0; x < after.width(); ++x)
                    if (before.at(c, y, x) != after.at(c, y, x)) reach = std::max(reach, std::abs(x / 2 - lit));
    }
    EXPECT_EQ(reach, radius);
}

}  // namespace
}  // namespace enlarge
