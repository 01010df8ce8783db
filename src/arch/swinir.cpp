// SPDX-License-Identifier: Apache-2.0
// SwinIR: groups of Swin blocks, every second one with its windows shifted by half, and four kinds of tails. HAT: the
// same with a gated convolution beside the attention, and one block per group whose windows of keys overlap. DRCT: five
// blocks per group that each see all before them.
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr float kConvScale = 0.01F;  // of every published HAT; not in the file

int hybrid_block(Builder& b, int x, const std::string& name, int shift) {
    const int y = b.layer_norm(x, name + "norm1");
    const int beside = convolutions_beside(b, y, name + "conv_block.cab.");
    x = b.add(b.add(x, swin_attention(b, y, name + "attn.", shift)), beside, 1, kConvScale);
    return b.add(x, mlp(b, b.layer_norm(x, name + "norm2"), name + "mlp."));
}

// Biases of every query and key of a window of `side` and its overlapping window. The index that training used goes
// below zero, where it counts from the table's end.
std::vector<float> overlap_bias(Builder& b, const std::string& name, int side, int overlap, int heads) {
    const int row = side + overlap - 1, rows = row * row, queries = side * side, keys = overlap * overlap;
    if (!b.expand(std::int64_t{heads} * queries * keys)) return {};
    const std::vector<float> table = b.take(name, {rows, heads});
    if (table.empty()) return {};
    std::vector<float> bias(static_cast<std::size_t>(heads) * static_cast<std::size_t>(queries) *
                            static_cast<std::size_t>(keys));
    std::size_t at = 0;
    for (int head = 0; head < heads; ++head)
        for (int q = 0; q < queries; ++q)
            for (int k = 0; k < keys; ++k) {
                const int index =
                    (k / overlap - q / side + side - overlap + 1) * row + k % overlap - q % side + side - overlap + 1;
                bias[at++] =
                    table[static_cast<std::size_t>(index < 0 ? index + rows : index) * static_cast<std::size_t>(heads) +
                          static_cast<std::size_t>(head)];
            }
    return bias;
}

int overlapping_block(Builder& b, int x, const std::string& name, int side) {
    const std::string table = name + "relative_position_bias_table";
    const int features = b.channels(x), heads = b.dim(table, 1);
    int row = 1;
    while (row < 512 && row * row < b.dim(table, 0)) ++row;
    const int overlap = row - side + 1;
    if (row * row != b.dim(table, 0) || overlap < side || heads < 1 || features % heads != 0) {
        b.fail(Errc::format, "tensor '" + table + "' is " + to_string(b.dim(table, 0)) + "x" + to_string(heads) +
                                 "; expected a number squared times a divisor of " + to_string(features));
        return -1;
    }
    const int qkv = b.linear(b.layer_norm(x, name + "norm1"), name + "qkv", 3 * features, b.has_any("qkv.bias"));
    op::OverlapAttention op{.heads = heads, .window = side, .overlap = overlap};
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(overlap_bias(b, table, side, overlap, heads));
    const int seen =
        b.append(std::move(op), {b.channels_of(qkv, 0, features), b.channels_of(qkv, features, 2 * features)});
    x = b.add(b.linear(seen, name + "proj", features), x);
    return b.add(x, mlp(b, b.layer_norm(x, name + "norm2"), name + "mlp."));
}

}  // namespace

bool is_swinir(const StateDict& weights) {
    const std::string attention = "layers.0.residual_group.blocks.0.attn.";
    const auto next = weights.tensors.lower_bound(attention + "cpb_mlp");
    const bool second = has(weights, attention + "logit_scale") ||  // Swin2SR
                        (next != weights.tensors.end() && next->first.starts_with(attention + "cpb_mlp"));
    return has(weights, "layers.0.residual_group.blocks.0.norm1.weight") && !second &&
           !has(weights, attention + "aligned_relative_position_index") &&
           !has(weights, attention + "kv.weight");  // SRFormer
}

Result<Network> build_swinir(const StateDict& weights) {
    const std::string table = "layers.0.residual_group.blocks.0.attn.relative_position_bias_table";
    const int layers = count_blocks(weights, "layers.", ".residual_group.blocks.0.norm1.weight"),
              side = window_of_table(dimension(weights, table, 0));
    SwinHead head = swin_head(weights);
    // Networks with windows of 7 remove JPEG's traces, and were trained with 0 to 255.
    if (side == 7) head.range = 255;
    return swin_frame(weights, "SwinIR", head, "patch_embed.norm", swin_facts(weights, head.features, layers, side),
                      [&](Builder& b, int x) {
                          return residual_groups(b, x, layers, "residual_group.blocks.", [&](int y, const GroupBlock& at) {
                              return swin_block(b, y, at.name, at.index % 2 ? side / 2 : 0);
                          });
                      });
}

bool is_hat(const StateDict& weights) {
    return has(weights, "layers.0.residual_group.blocks.0.conv_block.cab.0.weight");
}

Result<Network> build_hat(const StateDict& weights) {
    const std::string table = "layers.0.residual_group.blocks.0.attn.relative_position_bias_table";
    const int layers = count_blocks(weights, "layers.", ".residual_group.blocks.0.norm1.weight"),
              side = window_of_table(dimension(weights, table, 0));
    const SwinHead head = swin_head(weights);
    return swin_frame(
        weights, "HAT", head, "patch_embed.norm", swin_facts(weights, head.features, layers, side), [&](Builder& b, int x) {
            for (const char* index : {"relative_position_index_SA", "relative_position_index_OCA"}) b.ignore(index);
            return residual_groups(
                b, x, layers, "residual_group.blocks.",
                [&](int y, const GroupBlock& at) { return hybrid_block(b, y, at.name, at.index % 2 ? side / 2 : 0); },
                [&](int y, const std::string& layer) {
                    return overlapping_block(b, y, layer + "residual_group.overlap_attn.", side);
                });
        });
}

bool is_drct(const StateDict& weights) {
    return has(weights, "layers.0.swin1.norm1.weight") && has(weights, "layers.0.adjust5.weight");
}

Result<Network> build_drct(const StateDict& weights) {
    const std::string table = "layers.0.swin1.attn.relative_position_bias_table";
    const int layers = count_blocks(weights, "layers.", ".swin1.norm1.weight"),
              side = window_of_table(dimension(weights, table, 0));
    const SwinHead head = swin_head(weights);
    auto network =
        swin_frame(weights, "DRCT", head, "patch_embed.norm",
                   {{"features", head.features},
                    {"groups", layers},
                    {"growth", dimension(weights, "layers.0.adjust1.weight", 0)},
                    {"window", side},
                    {"heads", dimension(weights, table, 1)}},
                   [&](Builder& b, int x) {
                       for (int l = 0; l < layers; ++l) {
                           const std::string layer = "layers." + to_string(l) + ".";
                           std::vector<int> seen{x};
                           int y = x;
                           for (int k = 1; k <= 5; ++k) {
                               y = k == 1 ? x : b.concat(seen);
                               y = swin_block(b, y, layer + "swin" + to_string(k) + ".", k % 2 ? 0 : side / 2);
                               const std::string adjust = layer + "adjust" + to_string(k);
                               y = b.conv(y, adjust, b.dim(adjust + ".weight", 0), 1);
                               if (k < 5) seen.push_back(y = b.leaky_relu(y, 0.2F));
                           }
                           x = b.add(y, x, 0.2F, 1);
                       }
                       return x;
                   });
    // What runs it pads to 16, whatever the window.
    if (network.ok())
        if (auto more = network->graph.need_multiple(16); !more.ok()) return more.error();
    return network;
}

}  // namespace enlarge
