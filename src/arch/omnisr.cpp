// SPDX-License-Identifier: Apache-2.0
// OmniSR: each block attends between the pixels of windows, the channels of windows, pixels that lie a window's number
// apart, and the channels of those; a gate over a coarse map of the picture ends each group. What a pixel becomes
// depends on the picture's size, so nothing of it can be computed in parts.
#include <algorithm>
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr float kEpsilon = 1e-6F;        // of the norms before convolutions
constexpr int kWindowWithoutTable = 8;   // what the files do not say
constexpr int kHeads = 4;

// "layer.0": convolutions and a gate.
int convolutions(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = b.dim(name + "0.weight", 0);
    int y = b.gelu(b.conv(x, name + "0", wide, 1));
    y = b.gelu(b.depthwise(y, name + "2", 3));
    int gate = b.silu(b.linear(b.global_mean(y), name + "4.gate.1", b.dim(name + "4.gate.1.weight", 0), false));
    gate = b.sigmoid(b.linear(gate, name + "4.gate.3", wide, false));
    return b.add(b.conv(b.multiply(y, gate), name + "5", features, 1), x);
}

int gated_layers(Builder& b, int x, const std::string& name) {
    return b.add(gated_convolutions(b, b.layer_norm(x, name + "norm", kEpsilon), name + "fn."), x);
}

// Biases of every pair of a group's pixels, from a table by offset.
std::vector<float> every_pair(Builder& b, const std::vector<float>& table, int side, int heads) {
    const int row = 2 * side - 1, tokens = side * side;
    if (table.empty() || !b.expand(std::int64_t{heads} * tokens * tokens)) return {};
    std::vector<float> bias;
    bias.reserve(static_cast<std::size_t>(heads) * static_cast<std::size_t>(tokens) * static_cast<std::size_t>(tokens));
    for (int head = 0; head < heads; ++head)
        for (int q = 0; q < tokens; ++q)
            for (int k = 0; k < tokens; ++k)
                bias.push_back(table[static_cast<std::size_t>((head * row + q / side - k / side + side - 1) * row +
                                                              q % side - k % side + side - 1)]);
    return bias;
}

// Windows, or a grid as wide as they; all attention has tables, or none has.
struct Layout {
    int side = 0;
    bool tables = false;
};

int pixel_attention(Builder& b, int x, const std::string& name, const Layout& layout, bool grid) {
    const int features = b.channels(x), side = layout.side;
    const int qkv = b.linear(b.layer_norm(x, name + "norm"), name + "fn.to_qkv", 3 * features, false);
    std::vector<float> bias;
    if (layout.tables) bias = bias_table(b, name + "fn.rel_pos_bias.weight", side, kHeads);
    const float scale = 1 / std::sqrt(static_cast<float>(features / kHeads));
    int seen = 0;
    if (grid) {
        op::GridAttention op{.heads = kHeads, .window_h = side, .window_w = side, .scale = scale};
        if (!bias.empty()) op.bias = make_values(every_pair(b, bias, side, kHeads));
        seen = b.append(std::move(op), {qkv});
    } else {
        op::WindowAttention op{.heads = kHeads, .window_h = side, .window_w = side};
        op.scale = scale;
        if (!bias.empty()) op.bias = make_values(std::move(bias));
        seen = b.append(std::move(op), {qkv});
    }
    return b.add(b.linear(seen, name + "fn.to_out.0", features, false), x);
}

// Channels of each window; or, with `grid`, of the pixels at the same place of all windows, which become channels of
// their own for that.
int channel_attention(Builder& b, int x, const std::string& name, int side, bool grid) {
    const int features = b.channels(x), heads = b.dim(name + "fn.temperature", 0), places = side * side;
    int qkv = b.conv(b.layer_norm(x, name + "norm", kEpsilon), name + "fn.qkv", 3 * features, 1, false);
    qkv = b.depthwise(qkv, name + "fn.qkv_dwconv", 3, false);
    const std::vector<float> temperature = b.take(name + "fn.temperature", {heads, 1, 1});
    op::ChannelAttention op{.heads = heads, .window = side};
    int y = qkv;
    if (grid) {
        op.heads = heads * places;
        op.window = 0;
        std::vector<float> all;
        for (int place = 0; place < places; ++place) all.insert(all.end(), temperature.begin(), temperature.end());
        op.temperature = make_values(std::move(all));
        const Extent rows = Extent::rows(1, side), columns = Extent::columns(1, side);
        y = b.append(op::Reshape{{3, features, places, rows, columns}}, {b.pixel_unshuffle(y, side)});
        y = b.append(op::Transpose{{0, 2, 1, 3, 4}}, {y});
        y = b.append(op::Reshape{{3 * places * features, rows, columns}}, {y});
        y = b.append(std::move(op), {y});
        y = b.append(op::Reshape{{places, features, rows, columns}}, {y});
        y = b.append(op::Transpose{{1, 0, 2, 3}}, {y});
        y = b.pixel_shuffle(b.append(op::Reshape{{features * places, rows, columns}}, {y}), side);
    } else {
        op.temperature = make_values(temperature);
        y = b.append(std::move(op), {y});
    }
    return b.add(b.conv(y, name + "fn.project_out", features, 1, false), x);
}

int block(Builder& b, int x, const std::string& name, const Layout& layout) {
    x = convolutions(b, x, name + "0.fn.");
    x = pixel_attention(b, x, name + "2.", layout, false);
    x = gated_layers(b, x, name + "4.");
    x = channel_attention(b, x, name + "5.", layout.side, false);
    x = gated_layers(b, x, name + "6.");
    x = pixel_attention(b, x, name + "8.", layout, true);
    x = gated_layers(b, x, name + "10.");
    x = channel_attention(b, x, name + "11.", layout.side, true);
    return gated_layers(b, x, name + "12.");
}

// A gate that sees far, since it is computed on a sixth of the rows and columns.
int coarse_gate(Builder& b, int x, const std::string& name) {
    const int narrow = b.dim(name + "conv1.weight", 0);
    const int first = b.conv(x, name + "conv1", narrow, 1);
    ConvWindow halving = square(3);
    halving.stride = 2;
    halving.pad_h = halving.pad_w = 0;
    int y = b.conv(first, name + "conv2", narrow, halving);
    y = b.append(op::MaxPool{.kernel = 7, .stride = 3, .ragged = true}, {y});
    y = b.append(op::Resize{}, {b.conv(y, name + "conv3", narrow), x});
    y = b.add(y, b.conv(first, name + "conv_f", narrow, 1));
    return b.multiply(x, b.sigmoid(b.conv(y, name + "conv4", b.channels(x), 1)));
}

// What counters of operations left among the weights.
void ignore_counters(Builder& b) {
    for (const auto& [name, tensor] : b.weights().tensors)
        if (name.ends_with("total_ops") || name.ends_with("total_params")) b.ignore(name);
}

}  // namespace

bool is_omnisr(const StateDict& weights) {
    return has(weights, "residual_layer.0.residual_layer.0.layer.0.fn.0.weight") && has(weights, "input.weight") &&
           has(weights, "up.0.weight");
}

Result<Network> build_omnisr(const StateDict& weights) {
    const int features = dimension(weights, "input.weight", 0), channels = dimension(weights, "input.weight", 1),
              outputs = dimension(weights, "up.0.weight", 0), scale = whole_scale(outputs, channels),
              groups = count_blocks(weights, "residual_layer.", ".residual_layer.0.layer.0.fn.0.weight"),
              blocks = count_blocks(weights, "residual_layer.0.residual_layer.", ".layer.0.fn.0.weight");
    const std::string table = "residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight";
    const bool tables = has(weights, table);
    const int side = tables ? window_of_table(dimension(weights, table, 0)) : kWindowWithoutTable;
    Builder b(weights, channels, "input.weight");
    if (scale < 1) b.fail(no_scale(weights, "an OmniSR network", "input.weight", channels, "up.0.weight", outputs));
    if (side < 2 || side % 2 != 0 || side > 32)
        b.fail(Errc::unsupported, "tensor '" + table + "' is for windows of " + to_string(side) +
                                      " pixels; expected an even number up to 32");
    if (features % kHeads != 0)
        b.fail(Errc::format, "tensor 'input.weight' makes " + to_string(features) + " channels; expected a multiple of " +
                                 to_string(kHeads));
    ignore_counters(b);
    b.graph().continue_by(Continuation::zeros);
    const bool bias = b.has("input.bias");
    const int first = b.conv(0, "input", features, 3, bias);
    int x = first;
    for (int g = 0; g < groups && !b.failed(); ++g) {
        const std::string group = "residual_layer." + to_string(g) + ".";
        int y = x;
        for (int i = 0; i < blocks; ++i)
            y = block(b, y, group + "residual_layer." + to_string(i) + ".layer.", {side, tables});
        y = b.conv(y, group + "residual_layer." + to_string(blocks), features, 1, bias);
        x = coarse_gate(b, b.add(y, x), group + "esa.");
    }
    x = b.add(b.conv(x, "output", features, 3, bias), first);
    b.pixel_shuffle(b.conv(x, "up.0", outputs, 3, bias), std::max(scale, 1));
    return b.network("OmniSR", "",
                     {{"features", features}, {"groups", groups}, {"blocks", blocks}, {"window", side}, {"heads", kHeads}});
}

}  // namespace enlarge
