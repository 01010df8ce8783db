// SPDX-License-Identifier: Apache-2.0
// ATD: pixels attend to those of their window, to the tokens of a dictionary that each layer makes anew from the picture,
// and to pixels anywhere that are most like the same token.
#include <algorithm>
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// What the files do not say: how many pixels attend to one another. The light network is told by its tail and features.
constexpr int kCategory = 256, kLightCategory = 128, kLightFeatures = 48;

// The picture's pixels in one row, per channel.
int as_row(Builder& b, int x) {
    const Extent pixels = product(Extent::rows(), Extent::columns()).value_or(Extent(1));
    return b.append(op::Reshape{{b.channels(x), pixels}}, {x});
}
int as_picture(Builder& b, int x, int channels) {
    return b.append(op::Reshape{{channels, Extent::rows(), Extent::columns()}}, {x});
}

// A layer of tokens, whose channels are innermost.
int of_tokens(Builder& b, int tokens, const std::string& name, int in, int out, bool biased) {
    op::Linear op;
    op.weights = make_values(b.take(name + ".weight", {out, in}));
    op.bias = make_values(biased ? b.take(name + ".bias", {out})
                                 : std::vector<float>(static_cast<std::size_t>(std::max(out, 0))));
    return b.append(std::move(op), {tokens});
}

struct Layout {
    int heads = 0, side = 0, tokens = 0, category = 0;
    bool bias = false;  // of queries, keys and values everywhere
};

struct Seen {
    int picture = 0, likeness = 0;  // what the tokens say to each pixel, and how much each of them is heard
};

Seen token_attention(Builder& b, int x, int tokens, const std::string& name, const Layout& layout) {
    const int features = b.channels(x), narrow = b.dim(name + "wq.weight", 0), count = layout.tokens;
    const bool bias = layout.bias;
    const int q = as_row(b, b.append(op::L2Norm{.axis = 0}, {b.linear(x, name + "wq", narrow, bias)}));
    const int k = b.append(op::L2Norm{.axis = 1}, {of_tokens(b, tokens, name + "wk", features, narrow, bias)});
    const int v = of_tokens(b, tokens, name + "wv", features, features, bias);
    std::vector<float> scale = b.take(name + "scale", {count});
    for (float& s : scale)
        s = static_cast<float>(1 + double{std::clamp(s, 0.0F, 1.0F)} * std::log(static_cast<double>(count)));
    std::vector<float> none(scale.size());
    int like = as_picture(b, b.append(op::MatMul{}, {k, q}), count);
    like = b.append(op::Softmax{.axis = 0}, {b.scale_shift(like, std::move(scale), std::move(none))});
    const int turned = b.append(op::Transpose{{1, 0}}, {v});
    return {as_picture(b, b.append(op::MatMul{}, {turned, as_row(b, like)}), features), like};
}

int category_attention(Builder& b, int qkv, int likeness, const std::string& name, const Layout& layout) {
    const int features = b.channels(qkv) / 3;
    const std::vector<float> logit = b.take(name + "logit_scale", {1, 1});
    if (b.failed()) return -1;
    op::CategoryAttention op{.heads = layout.heads, .size = layout.category};
    op.scale = static_cast<float>(std::exp(std::min(double{logit[0]}, std::log(100.0))));
    const int category = b.append(op::Argmax{.axis = 0}, {likeness});
    return b.linear(b.append(std::move(op), {qkv, category}), name + "proj", features, layout.bias);
}

int window_attention(Builder& b, int qkv, const std::string& name, int heads, int side, int shift) {
    const int features = b.channels(qkv) / 3;
    op::WindowAttention op{.heads = heads, .window_h = side, .window_w = side, .shift_h = shift, .shift_w = shift};
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(bias_table(b, name + "relative_position_bias_table", side, heads));
    return b.linear(b.append(std::move(op), {qkv}), name + "proj", features);
}

// The dictionary for the next layer: what each token's pixels are on average, by likeness over the whole picture.
int refined(Builder& b, int x, int tokens, int count, int likeness, const std::string& name) {
    op::InstanceNorm norm;
    norm.scale = make_values(b.take(name + "norm3.weight", {count}));
    norm.shift = make_values(b.take(name + "norm3.bias", {count}));
    const int share = b.append(op::Softmax{.axis = 1}, {as_row(b, b.append(std::move(norm), {likeness}))});
    const int fresh = b.append(op::MatMul{.transpose_b = true}, {share, as_row(b, x)});
    std::vector<float> keep = b.take(name + "sigma", {count, 1}), take;
    for (float& s : keep) {
        const double kept = 1 / (1 + std::exp(-double{s}));
        s = static_cast<float>(kept);
        take.push_back(static_cast<float>(1 - kept));
    }
    if (b.failed()) return -1;
    const int kept = b.append(op::Constant{{count, 1}, make_values(std::move(keep))}, {}),
              taken = b.append(op::Constant{{count, 1}, make_values(std::move(take))}, {});
    return b.add(b.multiply(tokens, kept), b.multiply(fresh, taken));
}

// A group's layers; the dictionary begins as the group's own.
int layers(Builder& b, int x, const std::string& group, const Layout& layout) {
    const int features = b.channels(x);
    int tokens = b.append(op::Constant{{layout.tokens, features},
                                       make_values(b.take(group + "td", {layout.tokens, features}))}, {});
    const int count = count_blocks(b.weights(), group + "layers.", ".wqkv.weight");
    for (int i = 0; i < count && !b.failed(); ++i) {
        const std::string name = group + "layers." + to_string(i) + ".";
        const int y = b.layer_norm(x, name + "norm1");
        const int qkv = b.linear(y, name + "wqkv", 3 * features, layout.bias);
        const Seen seen = token_attention(b, y, tokens, name + "attn_atd.", layout);
        const int far = category_attention(b, qkv, seen.likeness, name + "attn_aca.", layout);
        const int near =
            window_attention(b, qkv, name + "attn_win.", layout.heads, layout.side, i % 2 ? layout.side / 2 : 0);
        x = b.add(b.add(b.add(x, near), seen.picture), far);
        x = b.add(x, conv_mlp(b, b.layer_norm(x, name + "norm2"), name + "convffn."));
        if (i + 1 < count) tokens = refined(b, x, tokens, layout.tokens, seen.likeness, name);
    }
    return x;
}

Result<void> check(const Layout& layout, int features, const std::string& table) {
    if (layout.side < 2 || layout.heads < 1 || features % std::max(layout.heads, 1) != 0)
        return Error{Errc::format, "tensor '" + table + "' is for windows of " + to_string(layout.side) +
                                       " pixels and " + to_string(layout.heads) +
                                       " heads; expected 2 to 64, and a divisor of " + to_string(features)};
    if (layout.tokens < 2)
        return Error{Errc::format, "tensor 'layers.0.residual_group.td' holds " + to_string(layout.tokens) +
                                       " tokens; expected at least 2"};
    return {};
}

}  // namespace

bool is_atd(const StateDict& weights) {
    return has(weights, "layers.0.residual_group.td") &&
           has(weights, "layers.0.residual_group.layers.0.attn_atd.scale");
}

Result<Network> build_atd(const StateDict& weights) {
    const std::string first = "layers.0.residual_group.layers.0.";
    const std::string table = first + "attn_win.relative_position_bias_table";
    const int groups = count_blocks(weights, "layers.", ".residual_group.td");
    SwinHead head = swin_head(weights);
    head.mean = !has(weights, "no_norm");
    const bool direct = has(weights, "upsample.0.weight") && !has(weights, "conv_before_upsample.0.weight");
    Layout layout{.heads = dimension(weights, table, 1), .side = window_of_table(dimension(weights, table, 0))};
    layout.bias = has(weights, first + "wqkv.bias");
    layout.tokens = dimension(weights, "layers.0.residual_group.td", 0);
    layout.category = direct && head.features == kLightFeatures ? kLightCategory : kCategory;
    TRY(check(layout, head.features, table));
    auto network = swin_frame(
        weights, "ATD", head, "patch_embed.norm",
        {{"features", head.features},
         {"groups", groups},
         {"blocks", depths_of(weights, groups, ".residual_group.layers.", ".wqkv.weight")},
         {"window", layout.side},
         {"heads", layout.heads},
         {"tokens", layout.tokens},
         {"category", layout.category}},
        [&](Builder& b, int x) {
            b.ignore("no_norm");
            b.ignore("relative_position_index_SA");
            for (int g = 0; g < groups; ++g) {
                const std::string layer = "layers." + to_string(g) + ".";
                x = b.add(group_conv(b, layers(b, x, layer + "residual_group.", layout), layer + "conv"), x);
            }
            return x;
        });
    if (network.ok()) network->graph.continue_by(Continuation::mirror);
    return network;
}

}  // namespace enlarge
