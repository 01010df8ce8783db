// SPDX-License-Identifier: Apache-2.0
// DAT: blocks of attention between pixels in two kinds of oblong windows, each for half of the channels, in turn with
// blocks of attention between channels over the whole picture; both mixed with a convolution by two gates.
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/oblong.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// Both gates: of each channel from one of the two, of each pixel from the other.
int channel_gate(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x);
    int y = b.batch_norm(b.conv(b.global_mean(x), name + "1", b.dim(name + "1.weight", 0), 1), name + "2");
    return b.sigmoid(b.conv(b.gelu(y), name + "4", features, 1));
}
int pixel_gate(Builder& b, int x, const std::string& name) {
    const int y = b.batch_norm(b.conv(x, name + "0", b.dim(name + "0.weight", 0), 1), name + "1");
    return b.sigmoid(b.conv(b.gelu(y), name + "3", 1, 1));
}

int attention(Builder& b, int x, const std::string& name, bool shifted) {
    const int features = b.channels(x);
    const int qkv = b.linear(x, name + "qkv", 3 * features, b.has_any("qkv.bias"));
    const bool between_channels = b.has(name + "temperature");
    if (!between_channels && !b.has(name + "attns.0.rpe_biases"))
        b.fail(Errc::format, "tensors '" + name + "temperature' and '" + name +
                                 "attns.0.rpe_biases' are missing; expected one of them");
    int seen = 0;
    if (between_channels) {
        const int heads = b.dim(name + "temperature", 0);
        op::ChannelAttention op{.heads = heads};
        op.temperature = make_values(b.take(name + "temperature", {heads, 1, 1}));
        seen = b.append(std::move(op), {qkv});
    } else {
        b.ignore(name + "attn_mask_0");
        b.ignore(name + "attn_mask_1");
        seen = b.concat({oblong_attention(b, qkv, name + "attns.0.", 0, shifted),
                         oblong_attention(b, qkv, name + "attns.1.", 1, shifted)});
    }
    int beside = b.depthwise(b.channels_of(qkv, 2 * features, features), name + "dwconv.0", 3);
    beside = b.gelu(b.batch_norm(beside, name + "dwconv.1"));
    const std::string channel = name + "channel_interaction.", pixel = name + "spatial_interaction.";
    const int by_channel = channel_gate(b, between_channels ? seen : beside, channel),
              by_pixel = pixel_gate(b, between_channels ? beside : seen, pixel);
    seen = b.multiply(seen, between_channels ? by_pixel : by_channel);
    beside = b.multiply(beside, between_channels ? by_channel : by_pixel);
    return b.linear(b.add(seen, beside), name + "proj", features);
}

}  // namespace

bool is_dat(const StateDict& weights) {
    return has(weights, "before_RG.1.weight") && has(weights, "layers.0.blocks.0.attn.dwconv.0.weight") &&
           !has(weights, "layers.0.blocks.0.gamma");
}

Result<Network> build_dat(const StateDict& weights) {
    const int groups = count_blocks(weights, "layers.", ".blocks.0.norm1.weight");
    const SwinHead head = swin_head(weights);
    const Split split = split_of(weights, "layers.0.blocks.0.attn.attns.0.rpe_biases");
    return swin_frame(
        weights, "DAT", head, "before_RG.1",
        {{"features", head.features},
         {"groups", groups},
         {"blocks", depths_of(weights, groups, ".blocks.", ".norm1.weight")},
         {"window", to_string(split.rows) + "x" + to_string(split.columns)}},
        [&](Builder& b, int x) {
            return residual_groups(b, x, groups, "blocks.", [&](int y, const GroupBlock& at) {
                const bool shifted = is_shifted(at.group, at.index);
                y = b.add(y, attention(b, b.layer_norm(y, at.name + "norm1"), at.name + "attn.", shifted));
                return b.add(y, gated_layers(b, b.layer_norm(y, at.name + "norm2"), at.name + "ffn."));
            });
        });
}

}  // namespace enlarge
