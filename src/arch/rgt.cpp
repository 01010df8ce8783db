// SPDX-License-Identifier: Apache-2.0
// RGT: blocks of attention in two kinds of oblong windows, in turn with blocks where all pixels attend to a sixteenth of
// the rows and columns of the picture, which one convolution makes, applied twice.
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/oblong.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// From 1024 pixels on the convolution is applied once more.
constexpr int kLongestSide = 1023;

int local_attention(Builder& b, int x, const std::string& name, bool shifted) {
    const int features = b.channels(x);
    b.ignore(name + "attn_mask_0");
    b.ignore(name + "attn_mask_1");
    if (features % 2 != 0)
        b.fail(Errc::format, "tensor '" + name + "qkv.weight' is for " + to_string(features) +
                                 " channels; expected an even number");
    const int qkv = b.linear(x, name + "qkv", 3 * features, b.has_any("qkv.bias"));
    const int seen = b.concat({oblong_attention(b, qkv, name + "attns.0.", 0, shifted),
                               oblong_attention(b, qkv, name + "attns.1.", 1, shifted)});
    const int beside = b.depthwise(b.channels_of(qkv, 2 * features, features), name + "get_v", 3);
    return b.linear(b.add(seen, beside), name + "proj", features);
}

int attention_to_few(Builder& b, int x, const std::string& name, int heads) {
    const int features = b.channels(x), narrow = b.dim(name + "q.weight", 0);
    if (heads < 1 || features % heads != 0 || narrow % heads != 0) {
        b.fail(Errc::format, "tensor '" + name + "q.weight' makes " + to_string(narrow) + " of " + to_string(features) +
                                 " channels; expected multiples of " + to_string(heads) + " heads");
        return -1;
    }
    const ConvWindow quarter{.kernel_h = 4, .kernel_w = 4, .stride = 4, .pad_h = 0, .pad_w = 0, .groups = features,
                             .ragged = true};
    int few = x;
    for (int time = 0; time < 2; ++time) few = b.conv(few, name + "reduction1", features, quarter);
    few = b.conv(b.depthwise(few, name + "dwconv", 3), name + "conv", narrow, 1);
    few = b.gelu(b.layer_norm(few, name + "norm_act.0"));
    const bool bias = b.has_any(".q.bias");
    const int q = b.linear(x, name + "q", narrow, bias), k = b.linear(few, name + "k", narrow, bias);
    int v = b.linear(few, name + "v", features, bias);
    v = b.add(v, b.depthwise(v, name + "cpe", 3));
    op::CrossAttention op{.heads = heads, .window_h = 0, .window_w = 0, .key_h = 0, .key_w = 0};
    op.scale = 1 / std::sqrt(static_cast<float>(narrow) / static_cast<float>(heads));
    return b.linear(b.append(std::move(op), {q, k, v}), name + "proj", features);
}

// Heads of a group, from those of half of the channels.
int heads_of(Builder& b, const std::string& layer, int features) {
    const int half = b.dim(layer + "blocks.0.attn.attns.0.pos.pos3.2.weight", 0);
    return half > 0 && features % (2 * half) != 0 ? 2 * half + 1 : 2 * half;
}

int block(Builder& b, int x, const std::string& name, bool shifted, int heads) {
    const int y = b.layer_norm(x, name + "norm1");
    const bool local = b.has(name + "attn.qkv.weight");
    if (!local && !b.has(name + "attn.reduction1.weight"))
        b.fail(Errc::format, "tensors '" + name + "attn.qkv.weight' and '" + name +
                                 "attn.reduction1.weight' are missing; expected one of them");
    const int seen = local ? local_attention(b, y, name + "attn.", shifted)
                           : attention_to_few(b, y, name + "attn.", heads);
    const int z = b.add(x, seen);
    const int passed = b.add(z, gated_layers(b, b.layer_norm(z, name + "norm2"), name + "mlp."));
    return b.add(passed, b.scale_channels(x, name + "gamma"));
}

}  // namespace

bool is_rgt(const StateDict& weights) {
    return has(weights, "before_RG.1.weight") && has(weights, "layers.0.blocks.0.gamma");
}

Result<Network> build_rgt(const StateDict& weights) {
    const int groups = count_blocks(weights, "layers.", ".blocks.0.norm1.weight");
    const SwinHead head = swin_head(weights);
    const Split split = split_of(weights, "layers.0.blocks.0.attn.attns.0.rpe_biases");
    auto network = swin_frame(
        weights, "RGT", head, "before_RG.1",
        {{"features", head.features},
         {"groups", groups},
         {"blocks", depths_of(weights, groups, ".blocks.", ".norm1.weight")},
         {"window", to_string(split.rows) + "x" + to_string(split.columns)}},
        [&](Builder& b, int x) {
            for (int g = 0; g < groups; ++g) {
                const std::string layer = "layers." + to_string(g) + ".";
                const int heads = heads_of(b, layer, b.channels(x));
                int y = x;
                for (int i = 0; b.has(layer + "blocks." + to_string(i) + ".norm1.weight"); ++i)
                    y = block(b, y, layer + "blocks." + to_string(i) + ".", is_shifted(g, i), heads);
                x = b.add(group_conv(b, y, layer + "conv"), x);
            }
            return x;
        });
    if (network.ok()) network->graph.allow_sides_up_to(kLongestSide);
    return network;
}

}  // namespace enlarge
