// SPDX-License-Identifier: Apache-2.0
// Faster relatives of SPAN: SPANF (SiLU, one tail), SPANV2 (the gate is a convolution), SPANF3 (its tangent is taken).
#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/merge.hpp"

namespace enlarge {
namespace {

using std::to_string;

std::string block_name(int index) { return "block_" + to_string(index); }

// The picture's pixels, each once for every pixel that it becomes, by a filter per channel.
int nearest(Builder& b, const StateDict& weights, int channels) {
    ConvWindow window;
    window.groups = channels;
    return b.conv(0, "conv_near", dimension(weights, "conv_near.weight", 0), window, false);
}

}  // namespace

bool is_spanf(const StateDict& weights) {
    return has(weights, "conv_near.weight") && has(weights, "block_1.c1_r.eval_conv.weight");
}

Result<Network> build_spanf(const StateDict& weights) {
    const int features = dimension(weights, "block_1.c1_r.eval_conv.weight", 0),
              channels = dimension(weights, "block_1.c1_r.eval_conv.weight", 1),
              outputs = dimension(weights, "conv_2.eval_conv.weight", 0), scale = whole_scale(outputs, channels);
    if (scale < 1)
        return no_scale(weights, "a SPANF network", "block_1.c1_r.eval_conv.weight", channels,
                        "conv_2.eval_conv.weight", outputs);
    const int blocks = count_blocks(weights, "block_", ".c1_r.eval_conv.weight", 1);
    Builder b(weights, channels, "block_1.c1_r.eval_conv.weight");
    const int near = nearest(b, weights, channels);
    int x = 0, first = 0;
    for (int i = 1; i <= blocks; ++i) {
        const std::string name = block_name(i);
        int y = b.silu(conv3xc(b, x, name + ".c1_r", features));
        y = b.silu(conv3xc(b, y, name + ".c2_r", features));
        y = conv3xc(b, y, name + ".c3_r", features);
        x = b.channels(x) == features ? b.span_gate(y, x) : y;
        if (i == 1) first = x;
    }
    x = b.conv(b.concat({near, x, first}), "conv_cat", dimension(weights, "conv_cat.weight", 0), 1);
    b.pixel_shuffle(conv3xc(b, x, "conv_2", outputs), scale);
    return b.network("SPANF", "slim", {{"features", features}, {"blocks", blocks}});
}

bool is_spanv2(const StateDict& weights) {
    return has(weights, "conv_near.weight") && has(weights, "block_2.guidance_map_conv.weight");
}

Result<Network> build_spanv2(const StateDict& weights) {
    const int features = dimension(weights, "block_1.c1.conv.weight", 0),
              channels = dimension(weights, "block_1.c1.conv.weight", 1),
              outputs = dimension(weights, "pointwise_conv.weight", 0), scale = whole_scale(outputs, channels);
    if (scale < 1)
        return no_scale(weights, "a SPANV2 network", "block_1.c1.conv.weight", channels, "pointwise_conv.weight",
                        outputs);
    const int blocks = count_blocks(weights, "block_", ".c1.conv.weight", 1);
    Builder b(weights, channels, "block_1.c1.conv.weight");
    const int near = nearest(b, weights, channels);
    const bool biases = b.has_any(".conv.bias") || b.has_any("wise_conv.bias");
    const auto conv = [&](int from, const std::string& name) { return b.conv(from, name, features, 3, biases); };
    int x = 0;
    for (int i = 1; i <= blocks; ++i) {
        const std::string name = block_name(i);
        int y = conv(b.relu(conv(b.relu(conv(x, name + ".c1.conv")), name + ".c2.conv")), name + ".c3.conv");
        if (b.channels(x) == features)
            x = b.multiply(b.add(x, y), b.conv(y, name + ".guidance_map_conv", features, 1));
        else
            x = b.relu(y);
    }
    x = b.concat({near, x});
    x = b.depthwise(x, "depthwise_conv", 3, biases);
    b.pixel_shuffle(b.conv(x, "pointwise_conv", outputs, 1, biases), scale);
    return b.network("SPANV2", biases ? "with biases" : "no biases", {{"features", features}, {"blocks", blocks}});
}

bool is_spanf3(const StateDict& weights) {
    return has(weights, "block_1.att_conv.weight") && has(weights, "conv_cat.weight");
}

Result<Network> build_spanf3(const StateDict& weights) {
    const bool slim = !has(weights, "block_1.c1_r.sk.weight"),
               blocked = has(weights, "conv_1.1.sk.weight") || has(weights, "conv_1.1.eval_conv.weight");
    const std::string key = slim ? ".eval_conv.weight" : ".sk.weight", head = blocked ? "conv_1.1" : "conv_1";
    const int features = dimension(weights, head + key, 0), inputs = dimension(weights, head + key, 1),
              outputs = dimension(weights, "to_pixel" + key, 0), scale = whole_scale(outputs, 3),
              unshuffle = whole_scale(inputs, 3);
    if (scale < 1 || unshuffle < 1 || scale % unshuffle != 0 || (unshuffle > 1 && !blocked))
        return no_scale(weights, "a SPANF3 network", head + key, inputs, "to_pixel" + key, outputs);
    const int blocks = count_blocks(weights, "block_", ".att_conv.weight", 1);
    Builder b(weights, 3);
    const int first = conv3xc(b, b.pixel_unshuffle(0, unshuffle), head, features);
    int x = first, after_first = first, last = first;
    for (int i = 1; i <= blocks; ++i) {
        const std::string name = block_name(i);
        last = b.relu(conv3xc(b, x, name + ".c1_r", features));
        int y = b.relu(conv3xc(b, last, name + ".c2_r", features));
        y = conv3xc(b, y, name + ".c3_r", features);
        x = b.multiply(b.add(x, y), b.tanh(b.conv(y, name + ".att_conv", features, 1)));
        if (i == 1) after_first = x;
    }
    x = b.conv(b.concat({first, x, after_first, last}), "conv_cat", dimension(weights, "conv_cat.weight", 0), 1);
    b.pixel_shuffle(conv3xc(b, x, "to_pixel", outputs), scale);
    std::string variant = slim ? "slim" : "full";
    if (unshuffle > 1) variant += ", pixel unshuffle " + to_string(unshuffle);
    return b.network("SPANF3", variant, {{"features", features}, {"blocks", blocks}});
}

}  // namespace enlarge
