// SPDX-License-Identifier: Apache-2.0
// DITN: layers that compute each patch of 8 x 8 pixels by itself, between channels, and layers of wide convolutions over
// the whole; hyperbolic tangents take the place of norms.
#include <algorithm>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr int kPatch = 8;  // of every published network; not in the file

// A depthwise 3x3 convolution that sees nothing of other patches: a matrix for the 64 pixels of each channel.
int patch_filter(Builder& b, int x, const std::string& name, bool biased) {
    const int channels = b.channels(x), pixels = kPatch * kPatch;
    const std::vector<float> filters = b.take(name + ".weight", {channels, 1, 3, 3});
    const std::vector<float> shifts =
        biased ? b.take(name + ".bias", {channels}) : std::vector<float>(static_cast<std::size_t>(channels));
    if (b.failed() || !b.expand(std::int64_t{channels} * pixels * pixels)) return -1;
    std::vector<float> weights(static_cast<std::size_t>(channels * pixels) * static_cast<std::size_t>(pixels)), bias;
    for (int c = 0; c < channels; ++c)
        for (int to = 0; to < pixels; ++to) {
            bias.push_back(shifts[static_cast<std::size_t>(c)]);
            for (int tap = 0; tap < 9; ++tap) {
                const int y = to / kPatch + tap / 3 - 1, u = to % kPatch + tap % 3 - 1;
                if (y < 0 || u < 0 || y >= kPatch || u >= kPatch) continue;
                weights[static_cast<std::size_t>(c * pixels + to) * static_cast<std::size_t>(pixels) +
                        static_cast<std::size_t>(y * kPatch + u)] = filters[static_cast<std::size_t>(c * 9 + tap)];
            }
        }
    op::Conv2d op{.groups = channels};
    op.weights = make_values(std::move(weights));
    op.bias = make_values(std::move(bias));
    return b.pixel_shuffle(b.append(std::move(op), {b.pixel_unshuffle(x, kPatch)}), kPatch);
}

int attention(Builder& b, int x, const std::string& name, bool biased) {
    const int features = b.channels(x);
    const int qkv = b.linear(x, name + "qkv", 3 * features);
    op::ChannelAttention op{.heads = 1, .window = kPatch};
    op.temperature = make_values(b.take(name + "temperature", {1, 1, 1}));
    return b.conv(b.append(std::move(op), {qkv}), name + "project_out", features, 1, biased);
}

int wide_filters(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x);
    const int both = b.conv(x, name + "proj_first.0", 2 * features, 1);
    int gate = b.depthwise(b.channels_of(both, 0, features), name + "DConvs.0", 5);
    ConvWindow far = square(7);
    far.dilation = 3;
    far.groups = features;
    gate = b.conv(b.conv(gate, name + "DConvs.1", features, far), name + "DConvs.2", features, 1);
    const int seen = b.multiply(b.channels_of(both, features, features), gate);
    return b.scale_channels(b.conv(seen, name + "proj_last.0", features, 1), name + "scale");
}

// Both kinds of layers: attention or wide convolutions, then gated ones, of what a tangent and a matrix make.
int layer(Builder& b, int x, const std::string& name, bool patches) {
    const int features = b.channels(x);
    const int first = b.conv(b.tanh(x), name + "conv1", features, 1);
    const std::string ffn = name + "ffn.";
    x = b.add(x, patches ? attention(b, first, name + "attn.", b.has(ffn + "project_out.bias"))
                         : wide_filters(b, first, name + "SDA."));
    const int second = b.conv(b.tanh(x), name + "conv2", features, 1);
    return b.add(x, patches ? gated_convolutions(b, second, ffn, patch_filter) : gated_convolutions(b, second, ffn));
}

}  // namespace

bool is_ditn(const StateDict& weights) {
    return has(weights, "sft.weight") && has(weights, "UFONE.0.ITLs.0.attn.temperature");
}

Result<Network> build_ditn(const StateDict& weights) {
    const int features = dimension(weights, "sft.weight", 0), channels = dimension(weights, "sft.weight", 1),
              outputs = dimension(weights, "upsample.0.weight", 0), scale = whole_scale(outputs, channels),
              groups = count_blocks(weights, "UFONE.", ".ITLs.0.attn.temperature");
    Builder b(weights, channels, "sft.weight");
    if (scale < 1) b.fail(no_scale(weights, "a DITN network", "sft.weight", channels, "upsample.0.weight", outputs));
    const int first = b.conv(0, "sft", features);
    int x = first;
    for (int g = 0; g < groups; ++g)
        for (const bool patches : {true, false}) {
            const std::string stem = "UFONE." + to_string(g) + (patches ? ".ITLs." : ".SALs.");
            for (int i = 0; b.has(stem + to_string(i) + ".conv1.weight"); ++i)
                x = layer(b, x, stem + to_string(i) + ".", patches);
        }
    x = b.add(b.conv(x, "conv_after_body", features), first);
    b.pixel_shuffle(b.conv(x, "upsample.0", outputs), std::max(scale, 1));
    return b.network("DITN", "",
                     {{"features", features},
                      {"groups", groups},
                      {"blocks", to_string(count_blocks(weights, "UFONE.0.ITLs.", ".conv1.weight")) + " + " +
                                     to_string(count_blocks(weights, "UFONE.0.SALs.", ".conv1.weight"))},
                      {"patch", kPatch}});
}

}  // namespace enlarge
