// SPDX-License-Identifier: Apache-2.0
#include "arch/transformer.hpp"

#include <cmath>
#include <utility>

#include "arch/tails.hpp"

namespace enlarge {

using std::to_string;

int window_of_table(int rows) {
    for (int side = 1; side <= 64; ++side)
        if ((2 * side - 1) * (2 * side - 1) == rows) return side;
    return 0;
}

std::vector<float> bias_table(Builder& b, const std::string& name, int side, int heads) {
    const int rows = (2 * side - 1) * (2 * side - 1);
    const std::vector<float> table = b.take(name, {rows, heads});
    if (table.empty()) return {};
    std::vector<float> turned(table.size());
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
        for (std::size_t head = 0; head < static_cast<std::size_t>(heads); ++head)
            turned[head * static_cast<std::size_t>(rows) + row] = table[row * static_cast<std::size_t>(heads) + head];
    return turned;
}

int mlp(Builder& b, int x, const std::string& name) {
    const int wide = b.dim(name + "fc1.weight", 0), features = b.channels(x);
    return b.linear(b.gelu(b.linear(x, name + "fc1", wide)), name + "fc2", features);
}

int conv_mlp(Builder& b, int x, const std::string& name) {
    const std::string filters = name + "dwconv.depthwise_conv.0";
    const int wide = b.dim(name + "fc1.weight", 0), features = b.channels(x);
    x = b.gelu(b.linear(x, name + "fc1", wide));
    x = b.add(x, b.gelu(b.depthwise(x, filters, b.dim(filters + ".weight", 2))));
    return b.linear(x, name + "fc2", features);
}

int convolutions_beside(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x);
    x = b.gelu(b.conv(x, name + "0", b.dim(name + "0.weight", 0)));
    x = b.conv(x, name + "2", features);
    int gate = b.relu(b.conv(b.global_mean(x), name + "3.attention.1", b.dim(name + "3.attention.1.weight", 0), 1));
    gate = b.sigmoid(b.conv(gate, name + "3.attention.3", features, 1));
    return b.multiply(x, gate);
}

int gated_convolutions(Builder& b, int x, const std::string& name, Filter filter) {
    const int features = b.channels(x), wide = b.dim(name + "project_out.weight", 1);
    const bool bias = b.has(name + "project_out.bias");
    x = b.conv(x, name + "project_in", 2 * wide, 1, bias);
    x = filter ? filter(b, x, name + "dwconv", bias) : b.depthwise(x, name + "dwconv", 3, bias);
    x = b.multiply(b.gelu(b.channels_of(x, 0, wide)), b.channels_of(x, wide, wide));
    return b.conv(x, name + "project_out", features, 1, bias);
}

std::string depths_of(const StateDict& weights, int layers, const std::string& blocks, const std::string& end) {
    std::string depths;
    for (int l = 0; l < layers; ++l)
        depths += (l ? ", " : "") + to_string(count_blocks(weights, "layers." + to_string(l) + blocks, end));
    return depths;
}

int residual_groups(Builder& b, int x, int groups, const std::string& blocks,
                    const std::function<int(int y, const GroupBlock& block)>& block,
                    const std::function<int(int y, const std::string& layer)>& end) {
    for (int g = 0; g < groups; ++g) {
        const std::string layer = "layers." + to_string(g) + ".";
        int y = x;
        for (int i = 0; b.has(layer + blocks + to_string(i) + ".norm1.weight"); ++i)
            y = block(y, {layer + blocks + to_string(i) + ".", g, i});
        if (end) y = end(y, layer);
        x = b.add(group_conv(b, y, layer + "conv"), x);
    }
    return x;
}

std::vector<Fact> swin_facts(const StateDict& weights, int features, int groups, int window) {
    return {{"features", features},
            {"groups", groups},
            {"blocks", depths_of(weights, groups, ".residual_group.blocks.", ".norm1.weight")},
            {"window", window},
            {"heads", dimension(weights, "layers.0.residual_group.blocks.0.attn.relative_position_bias_table", 1)}};
}

int swin_attention(Builder& b, int x, const std::string& name, int shift) {
    const std::string table = name + "relative_position_bias_table";
    const int features = b.channels(x), heads = b.dim(table, 1), side = window_of_table(b.dim(table, 0));
    if (side < 1 || heads < 1 || features % heads != 0) {
        b.fail(Errc::format, "tensor '" + table + "' is " + to_string(b.dim(table, 0)) + "x" + to_string(heads) +
                                 "; expected an odd number squared times a divisor of " + to_string(features));
        return -1;
    }
    b.ignore(name + "relative_position_index");
    op::WindowAttention op{.heads = heads, .window_h = side, .window_w = side, .shift_h = shift, .shift_w = shift};
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(bias_table(b, table, side, heads));
    x = b.linear(x, name + "qkv", 3 * features, b.has_any("qkv.bias"));
    return b.linear(b.append(std::move(op), {x}), name + "proj", features);
}

int swin_block(Builder& b, int x, const std::string& name, int shift) {
    b.ignore(name + "attn_mask");
    x = b.add(x, swin_attention(b, b.layer_norm(x, name + "norm1"), name + "attn.", shift));
    return b.add(x, mlp(b, b.layer_norm(x, name + "norm2"), name + "mlp."));
}

int group_conv(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x);
    if (b.has(name + ".weight")) return b.conv(x, name, features);
    if (!b.has(name + ".0.weight")) return x;
    const int narrow = b.dim(name + ".0.weight", 0);
    x = b.leaky_relu(b.conv(x, name + ".0", narrow), 0.2F);
    x = b.leaky_relu(b.conv(x, name + ".2", narrow, 1), 0.2F);
    return b.conv(x, name + ".4", features);
}

int normalised(Builder& b, int picture, const SwinHead& head, bool back) {
    static constexpr float kMean[3] = {0.4488F, 0.4371F, 0.4040F};
    const auto channels = static_cast<std::size_t>(b.channels(picture));
    const float range = head.range;
    if (!head.mean || (channels != 3 && range == 1)) return picture;
    std::vector<float> scale(channels, back ? 1 / range : range), shift(channels, 0);
    for (std::size_t c = 0; c < channels && channels == 3; ++c) shift[c] = back ? kMean[c] : -kMean[c] * range;
    return b.scale_shift(picture, std::move(scale), std::move(shift));
}

SwinTail swin_tail(Builder& b, int x, int normal, const SwinHead& head) {
    const int channels = b.channels(0);
    SwinTail tail;
    if (b.has("conv_before_upsample.0.weight")) {
        const int features = b.dim("conv_before_upsample.0.weight", 0);
        x = b.leaky_relu(b.conv(x, "conv_before_upsample.0", features), 0.01F);  // the slope that nobody gave
        if (b.has("conv_up1.weight")) {
            tail.name = "nearest+conv";
            for (int up = 1; b.has("conv_up" + to_string(up) + ".weight") && up <= 6; ++up) {
                x = b.leaky_relu(b.conv(b.upsample_nearest(x, 2), "conv_up" + to_string(up), features), 0.2F);
                tail.scale *= 2;
            }
            x = b.leaky_relu(b.conv(x, "conv_hr", features), 0.2F);
        } else {
            tail.name = "pixelshuffle";
            x = shuffle_chain(b, x, head.upsample, tail.scale);
        }
        x = b.conv(x, "conv_last", channels);
    } else if (b.has(head.upsample + "0.weight")) {
        tail.name = "pixelshuffledirect";
        const int outputs = b.dim(head.upsample + "0.weight", 0);
        tail.scale = whole_scale(outputs, channels);
        if (tail.scale < 1)
            b.fail(no_scale(b.weights(), "a network", head.name + ".weight", channels, head.upsample + "0.weight",
                            outputs));
        x = b.pixel_shuffle(b.conv(x, head.upsample + "0", outputs), tail.scale);
    } else {
        tail.name = "same size";
        x = b.add(normal, b.conv(x, "conv_last", channels));
    }
    normalised(b, x, head, true);
    return tail;
}

SwinHead swin_head(const StateDict& weights) {
    SwinHead head;
    if (!has(weights, "conv_first.weight")) head.name = "conv_first.1";
    head.features = dimension(weights, head.name + ".weight", 0);
    const int inputs = dimension(weights, head.name + ".weight", 1);
    head.channels = inputs;
    if (head.name == "conv_first") return head;
    head.channels = dimension(weights, "conv_last.weight", 0);
    if (head.channels == 0) head.channels = 3;
    head.unshuffle = whole_scale(inputs, head.channels);
    return head;
}

Result<Network> swin_frame(const StateDict& weights, const std::string& family, const SwinHead& head,
                           const std::string& embedding, std::vector<Fact> facts,
                           const std::function<int(Builder&, int)>& groups) {
    if (head.unshuffle < 1)
        return misfit(weights,
                      "a network for " + to_string(dimension(weights, head.name + ".weight", 1)) +
                          " values per pixel of " + to_string(head.channels) + " channels",
                      {head.name + ".weight"});
    Builder b(weights, head.channels, head.name == "conv_first" ? "conv_first.weight" : "conv_last.weight");
    const int normal = normalised(b, 0, head, false);
    const int first = b.conv(b.pixel_unshuffle(normal, head.unshuffle), head.name, head.features);
    int x = b.has(embedding + ".weight") ? b.layer_norm(first, embedding) : first;
    x = b.layer_norm(groups(b, x), head.norm);
    const SwinTail tail = swin_tail(b, b.add(group_conv(b, x, "conv_after_body"), first), normal, head);
    if (tail.scale % head.unshuffle != 0)
        return Error{Errc::unsupported, "a " + family + " network that makes pictures smaller"};
    std::string variant = tail.name;
    if (head.unshuffle > 1) variant += ", pixel unshuffle " + to_string(head.unshuffle);
    return b.network(family, variant, std::move(facts));
}

}  // namespace enlarge
