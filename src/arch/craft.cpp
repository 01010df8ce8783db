// SPDX-License-Identifier: Apache-2.0
// CRAFT: two blocks of attention in oblong windows, every second one moved around the picture's edges, and beside them a
// convolution and the largest of neighbours; channels of the one then attend to channels of the other.
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/oblong.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// Always, whatever the windows; and one that is whole already goes on by as much again.
constexpr int kMultiple = 16;

// What lies beyond an edge comes from the opposite one, and nothing of it is masked.
int half_attention(Builder& b, int qkv, const std::string& name, int half, const Split& split, bool shifted) {
    const int features = b.channels(qkv) / 6;
    PositionBias bias = position_bias(b, name + "pos.", split, features);
    if (b.failed()) return -1;
    op::WindowAttention op{.heads = bias.heads, .window_h = split.rows, .window_w = split.columns};
    op.scale = 1 / std::sqrt(static_cast<float>(features / bias.heads));
    op.bias = make_values(std::move(bias.table));
    const int rows = shifted ? split.rows / 2 : 0, columns = shifted ? split.columns / 2 : 0;
    const bool moved = rows > 0 || columns > 0;
    int x = half_of(b, qkv, half);
    if (moved) x = b.append(op::Roll{.rows = -rows, .columns = -columns}, {x});
    x = b.append(std::move(op), {x});
    return moved ? b.append(op::Roll{.rows = rows, .columns = columns}, {x}) : x;
}

int window_block(Builder& b, int x, const std::string& name, const Split& split, bool shifted) {
    const int features = b.channels(x);
    const int qkv = b.linear(b.layer_norm(x, name + "norm1"), name + "qkv", 3 * features, b.has_any("qkv.bias"));
    const Split turned{split.columns, split.rows};
    const int seen = b.concat({half_attention(b, qkv, name + "attns.0.", 0, split, shifted),
                               half_attention(b, qkv, name + "attns.1.", 1, turned, shifted)});
    const int beside = b.depthwise(b.channels_of(qkv, 2 * features, features), name + "get_v", 3);
    x = b.add(x, b.linear(b.add(seen, beside), name + "proj", features));
    return b.add(x, mlp(b, b.layer_norm(x, name + "norm2"), name + "mlp."));
}

int edges(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), half = features / 2;
    const int low = b.gelu(b.conv(b.channels_of(x, 0, half), name + "conv", half));
    int high = b.append(op::MaxPool{.kernel = 3, .stride = 1, .pad = 1}, {b.channels_of(x, half, features - half)});
    high = b.gelu(b.conv(high, name + "fc", half, 1));
    return b.add(x, b.conv(b.concat({low, high}), name + "last_fc", features, 1));
}

int joined(Builder& b, int low, int high, const std::string& name) {
    const int features = b.channels(low), heads = b.dim(name + "attn.temperature", 0);
    const std::string attn = name + "attn.", ffn = name + "ffn.";
    const int q = b.depthwise(b.conv(high, attn + "q", features, 1, false), attn + "q_dwconv", 3, false);
    int kv = b.conv(b.layer_norm(low, name + "norm1.body"), attn + "kv", 2 * features, 1, false);
    kv = b.depthwise(kv, attn + "kv_dwconv", 3, false);
    op::ChannelAttention op{.heads = heads};
    op.temperature = make_values(b.take(attn + "temperature", {heads, 1, 1}));
    const int seen = b.append(std::move(op), {b.concat({q, kv})});
    const int x = b.add(low, b.conv(seen, attn + "project_out", features, 1, false));
    return b.add(x, gated_convolutions(b, b.layer_norm(x, name + "norm2.body"), ffn));
}

}  // namespace

bool is_craft(const StateDict& weights) {
    return has(weights, "conv_first.weight") && has(weights, "layers.0.residual_group.hf_blocks.0.attn.temperature");
}

Result<Network> build_craft(const StateDict& weights) {
    const int groups = count_blocks(weights, "layers.", ".residual_group.hf_blocks.0.attn.temperature");
    SwinHead head = swin_head(weights);
    head.norm = "norm.body";
    const Split split = split_of(weights, "biases_h");
    if (split.rows < 1 || kMultiple % split.rows != 0 || kMultiple % split.columns != 0)
        return Error{Errc::format, "tensor 'biases_h' is no list of offsets within a window whose sides divide " +
                                       to_string(kMultiple)};
    auto network = swin_frame(
        weights, "CRAFT", head, "",
        {{"features", head.features},
         {"groups", groups},
         {"blocks", depths_of(weights, groups, ".residual_group.hf_blocks.", ".attn.temperature")},
         {"window", to_string(split.rows) + "x" + to_string(split.columns)},
         {"heads", dimension(weights, "layers.0.residual_group.hf_blocks.0.attn.temperature", 0)}},
        [&](Builder& b, int x) {
            const int offsets = (2 * split.rows - 1) * (2 * split.columns - 1);
            for (const std::string way : {"h", "v"}) {
                b.take("biases_" + way, {offsets, 2});
                b.ignore("relative_position_index_" + way);
            }
            for (int g = 0; g < groups; ++g) {
                const std::string layer = "layers." + to_string(g) + ".", group = layer + "residual_group.";
                int y = x;
                for (int i = 0; b.has(group + "hf_blocks." + to_string(i) + ".attn.temperature"); ++i) {
                    const auto windows = [&](int which) { return group + "srwa_blocks." + to_string(which) + "."; };
                    int low = window_block(b, y, windows(2 * i), split, false);
                    low = window_block(b, low, windows(2 * i + 1), split, true);
                    const int high = edges(b, y, group + "hfer_blocks." + to_string(i) + ".");
                    y = joined(b, low, high, group + "hf_blocks." + to_string(i) + ".");
                }
                x = b.add(b.conv(y, layer + "conv", b.channels(y)), x);
            }
            return x;
        });
    if (!network.ok()) return network;
    if (auto more = network->graph.need_multiple(kMultiple); !more.ok()) return more.error();
    network->graph.continue_by(Continuation::mirror);
    network->graph.need_spare(1);
    return network;
}

}  // namespace enlarge
