// SPDX-License-Identifier: Apache-2.0
// FDAT: a simpler DAT. Attention in square windows with a bias per pair of pixels, in turn with attention between
// channels.
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/tails.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

int plain_linear(Builder& b, int x, const std::string& name, int out) {
    return b.linear(x, name, out, b.has(name + ".bias"));
}

int window_attention(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), heads = b.dim(name + "bias", 0), tokens = b.dim(name + "bias", 1);
    int side = 1;
    while (side < 64 && side * side < tokens) ++side;
    if (heads < 1 || side * side != tokens || features % heads != 0) {
        b.fail(Errc::format, "tensor '" + name + "bias' is for " + to_string(heads) + " heads of " + to_string(tokens) +
                                 " pixels; expected a divisor of " + to_string(features) + " and a square");
        return -1;
    }
    // What lies beyond the picture is zeros before this layer: with a bias it would be no zeros after it.
    if (b.has(name + "qkv.bias"))
        b.fail(Errc::unsupported, "an FDAT network with '" + name + "qkv.bias', which is not supported");
    op::WindowAttention op{.heads = heads, .window_h = side, .window_w = side};
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(b.take(name + "bias", {heads, tokens, tokens}));
    op.beyond = op::WindowAttention::Beyond::zeros;
    op.unit = side;
    const int qkv = b.linear(x, name + "qkv", 3 * features, false);
    return b.linear(b.append(std::move(op), {qkv}), name + "proj", features);
}

int channel_attention(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), heads = b.dim(name + "temp", 0);
    op::ChannelAttention op{.heads = heads};
    op.temperature = make_values(b.take(name + "temp", {heads, 1, 1}));
    return b.linear(b.append(std::move(op), {plain_linear(b, x, name + "qkv", 3 * features)}), name + "proj", features);
}

int block(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x);
    const bool windows = b.has(name + "attn.bias");
    if (!windows && !b.has(name + "attn.temp"))
        b.fail(Errc::format,
               "tensors '" + name + "attn.bias' and '" + name + "attn.temp' are missing; expected one of them");
    const int y = b.layer_norm(x, name + "n1");
    int seen = windows ? window_attention(b, y, name + "attn.") : channel_attention(b, y, name + "attn.");
    int beside = b.gelu(b.depthwise(y, name + "conv.0", 3, false));
    const std::string gates = name + "inter.";
    // Both gates are in every block, and one of them is used.
    const int wide = b.dim(gates + "cg.1.weight", 0);
    if (windows) {
        int gate = b.gelu(b.conv(b.global_mean(beside), gates + "cg.1", wide, 1, false));
        gate = b.sigmoid(b.conv(gate, gates + "cg.3", features, 1, false));
        b.take(gates + "sg.0.weight", {1, features, 1, 1});
        seen = b.multiply(seen, gate);
    } else {
        beside = b.multiply(beside, b.sigmoid(b.conv(seen, gates + "sg.0", 1, 1, false)));
        b.take(gates + "cg.1.weight", {wide, features, 1, 1});
        b.take(gates + "cg.3.weight", {features, wide, 1, 1});
    }
    x = b.add(x, b.add(seen, beside));
    int z = b.gelu(b.linear(b.layer_norm(x, name + "n2"), name + "ffn.fc1", b.dim(name + "ffn.fc1.weight", 0), false));
    z = b.depthwise(z, name + "ffn.smix", 3, false);
    return b.add(x, b.linear(z, name + "ffn.fc2", features, false));
}

}  // namespace

bool is_fdat(const StateDict& weights) {
    return has(weights, "groups.0.blocks.0.inter.cg.1.weight") && !has(weights, "temporal_fuse.0.weight");
}

Result<Network> build_fdat(const StateDict& weights) {
    const bool folded = !has(weights, "conv_first.weight");
    const std::string first = folded ? "conv_first.1" : "conv_first";
    const int features = dimension(weights, first + ".weight", 0), inputs = dimension(weights, first + ".weight", 1);
    const int groups = count_blocks(weights, "groups.", ".blocks.0.n1.weight");
    const int channels = folded ? 3 : inputs, unshuffle = whole_scale(inputs, channels);
    if (unshuffle < 1 || (unshuffle > 1) != folded)
        return misfit(weights, "an FDAT network for " + to_string(inputs) + " values per pixel", {first + ".weight"});
    Builder b(weights, channels, first + ".weight");
    const MetaTail tail = read_meta_tail(b, "upsampler.");
    if (!b.failed() && (tail.out != channels || tail.scale % unshuffle != 0))
        return misfit(weights, "an FDAT network from " + to_string(inputs) + " to " + to_string(tail.out) + " channels",
                      {first + ".weight", "upsampler.MetaUpsample"});
    const int start = b.conv(b.pixel_unshuffle(0, unshuffle), first, features);
    int x = start;
    std::string blocks;
    for (int g = 0; g < groups; ++g) {
        const std::string group = "groups." + to_string(g) + ".";
        int y = x, count = 0;
        for (; b.has(group + "blocks." + to_string(count) + ".n1.weight"); ++count)
            y = block(b, y, group + "blocks." + to_string(count) + ".");
        blocks += (g ? ", " : "") + to_string(count);
        x = b.add(b.conv(y, group + "conv", features, 3, false), x);
    }
    meta_tail(b, b.add(b.conv(x, "conv_after", features, 3, false), start), "upsampler.", tail);
    std::string variant = tail.name;
    if (unshuffle > 1) variant += ", pixel unshuffle " + to_string(unshuffle);
    return b.network("FDAT", variant, {{"features", features}, {"groups", groups}, {"blocks", blocks}});
}

}  // namespace enlarge
