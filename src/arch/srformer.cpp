// SPDX-License-Identifier: Apache-2.0
// SRFormer: as SwinIR, but keys and values have half of the rows and columns: four pixels with a quarter of the channels
// each are one; and a depthwise convolution within the layers behind the attention.
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// The window's side, twice that of the table's offsets; 0 when it is none.
int window_of(const StateDict& weights, const std::string& table) {
    return 2 * window_of_table(dimension(weights, table, 0));
}

// Biases of every pixel of a window and every four of them.
std::vector<float> bias_of_fours(Builder& b, const std::vector<float>& table, int side, int heads) {
    const int half = side / 2, row = 2 * half - 1, queries = side * side, keys = half * half;
    if (table.empty() || !b.expand(std::int64_t{heads} * queries * keys)) return {};
    std::vector<float> bias;
    bias.reserve(static_cast<std::size_t>(heads) * static_cast<std::size_t>(queries) * static_cast<std::size_t>(keys));
    for (int head = 0; head < heads; ++head)
        for (int q = 0; q < queries; ++q)
            for (int k = 0; k < keys; ++k) {
                const int y = q / side / 2 - k / half + half - 1, x = q % side / 2 - k % half + half - 1;
                bias.push_back(table[static_cast<std::size_t>((head * row + y) * row + x)]);
            }
    return bias;
}

int attention(Builder& b, int x, const std::string& name, int shift) {
    const std::string table = name + "relative_position_bias_table";
    const int features = b.channels(x), heads = b.dim(table, 1), side = window_of(b.weights(), table);
    if (side < 2 || heads < 1 || features % heads != 0 || features % 4 != 0) {
        b.fail(Errc::format, "tensor '" + table + "' is " + to_string(b.dim(table, 0)) + "x" + to_string(heads) +
                                 "; expected an odd number squared times a divisor of " + to_string(features) +
                                 ", a multiple of 4");
        return -1;
    }
    b.ignore(name + "aligned_relative_position_index");
    const bool biased = b.has_any(".q.bias");
    const int queries = b.linear(x, name + "q", features, biased);
    // Keys and values, a quarter of the channels of four pixels: channels of the same pixel stay together.
    const Extent rows = Extent::rows(1, 2), columns = Extent::columns(1, 2);
    // Fours begin where the windows do: shifted by an odd number they are others, also across the picture's edges.
    const bool odd = shift % 2 != 0;
    int both = b.linear(x, name + "kv", features / 2, biased);
    if (odd) both = b.append(op::Roll{.rows = -shift, .columns = -shift}, {both});
    both = b.pixel_unshuffle(both, 2);
    both = b.append(op::Reshape{{2, features / 4, 4, rows, columns}}, {both});
    both = b.append(op::Transpose{{0, 2, 1, 3, 4}}, {both});
    both = b.append(op::Reshape{{2 * features, rows, columns}}, {both});
    if (odd) both = b.append(op::Roll{.rows = (shift + 1) / 2, .columns = (shift + 1) / 2}, {both});
    op::CrossAttention op{.heads = heads, .window_h = side, .window_w = side, .key_h = side / 2, .key_w = side / 2};
    op.shift_h = op.shift_w = shift;
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(bias_of_fours(b, bias_table(b, table, side / 2, heads), side, heads));
    const int seen = b.append(std::move(op), {queries, b.channels_of(both, 0, features),
                                              b.channels_of(both, features, features)});
    return b.linear(seen, name + "proj", features);
}

int block(Builder& b, int x, const std::string& name, int shift) {
    b.ignore(name + "attn_mask");
    x = b.add(x, attention(b, b.layer_norm(x, name + "norm1"), name + "attn.", shift));
    return b.add(x, conv_mlp(b, b.layer_norm(x, name + "norm2"), name + "mlp."));
}

}  // namespace

bool is_srformer(const StateDict& weights) {
    const std::string attention = "layers.0.residual_group.blocks.0.attn.";
    return has(weights, attention + "kv.weight") && has(weights, attention + "relative_position_bias_table");
}

Result<Network> build_srformer(const StateDict& weights) {
    const std::string table = "layers.0.residual_group.blocks.0.attn.relative_position_bias_table";
    const int layers = count_blocks(weights, "layers.", ".residual_group.blocks.0.norm1.weight"),
              side = window_of(weights, table);
    const SwinHead head = swin_head(weights);
    return swin_frame(weights, "SRFormer", head, "patch_embed.norm", swin_facts(weights, head.features, layers, side),
                      [&](Builder& b, int x) {
                          return residual_groups(b, x, layers, "residual_group.blocks.", [&](int y, const GroupBlock& at) {
                              return block(b, y, at.name, at.index % 2 ? side / 2 : 0);
                          });
                      });
}

}  // namespace enlarge
