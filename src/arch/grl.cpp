// SPDX-License-Identifier: Apache-2.0
// GRL: half of the channels attend within windows, the other half within stripes by way of anchors, the means of small
// squares: anchors ask the pixels, then the pixels ask the anchors. Likeness is the cosine, biases come from a small
// network of offsets.
#include <algorithm>
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// A window and a stripe, and how much smaller the anchors' map is. Files seldom say it; what the published networks use
// is told by their tails.
struct Layout {
    int window = 0;
    int rows = 0, columns = 0;
    int anchor = 4;
    bool bias = false;  // of queries, keys and values
};

// From buffers that some files hold: a window's offsets are 2 w - 1, those of a stripe and its anchors s + s / anchor - 1.
Layout layout_of(const StateDict& weights) {
    Layout layout;
    const int pixels = dimension(weights, "index_sh_w2a", 0), anchors = dimension(weights, "index_sh_w2a", 1);
    if (has(weights, "table_w") && has(weights, "table_sh") && anchors > 0) {
        layout.anchor = std::max(1, static_cast<int>(std::lround(std::sqrt(double(pixels) / anchors))));
        layout.window = (dimension(weights, "table_w", 1) + 1) / 2;
        const auto side = [&](std::size_t axis) {
            return (dimension(weights, "table_sh", axis) + 1) * layout.anchor / (layout.anchor + 1);
        };
        layout.rows = side(1);
        layout.columns = side(2);
    } else if (has(weights, "conv_up1.weight")) {
        layout = {.window = 16, .rows = 32, .columns = 64};
    } else if (has(weights, "upsample.up.0.weight")) {
        layout = {.window = 32, .rows = 64, .columns = 64};
    }
    return layout;
}

// The network of offsets for windows of `own` and `other` rows and columns, one head's table after the other.
std::vector<float> bias_of_offsets(Builder& b, const std::string& name, int heads, const int (&own)[2],
                                   const int (&other)[2]) {
    const std::string mlp = name + "cpb_mlp.";
    const int wide = b.dim(mlp + "0.weight", 0);
    const std::vector<float> first = b.take(mlp + "0.weight", {wide, 2}), shift = b.take(mlp + "0.bias", {wide}),
                             second = b.take(mlp + "2.weight", {heads, wide});
    std::vector<double> places[2];
    for (int axis = 0; axis < 2; ++axis) {
        const int large = std::max(own[axis], other[axis]), small = std::min(own[axis], other[axis]);
        const int before = small - 1 + (large - small) / 2, after = large - 1 - (large - small) / 2;
        for (int offset = -before; offset <= after; ++offset) {
            const double place = 8.0 * offset / after;
            places[axis].push_back(std::copysign(std::log2(std::fabs(place) + 1) / 3, place));
        }
    }
    const std::size_t entries = places[0].size() * places[1].size();
    if (!b.expand(static_cast<std::int64_t>(entries) * heads) || b.failed()) return {};
    std::vector<float> table(entries * static_cast<std::size_t>(heads));
    for (std::size_t entry = 0; entry < entries; ++entry) {
        const double y = places[0][entry / places[1].size()], x = places[1][entry % places[1].size()];
        std::vector<double> sums(static_cast<std::size_t>(heads), 0);
        for (std::size_t i = 0; i < static_cast<std::size_t>(wide); ++i) {
            const double hidden = std::max(0.0, first[2 * i] * y + first[2 * i + 1] * x + shift[i]);
            for (std::size_t head = 0; head < sums.size(); ++head)
                sums[head] += hidden * second[head * static_cast<std::size_t>(wide) + i];
        }
        for (std::size_t head = 0; head < sums.size(); ++head)
            table[head * entries + entry] = static_cast<float>(16 / (1 + std::exp(-sums[head])));
    }
    return table;
}

// Each head's channels over their length: products are cosines. `rows` and `columns` are the map's.
int unit_length(Builder& b, int x, int heads, const Extent& rows, const Extent& columns) {
    const int features = b.channels(x);
    x = b.append(op::Reshape{{heads, features / heads, rows, columns}}, {x});
    return b.append(op::Reshape{{features, rows, columns}}, {b.append(op::L2Norm{.axis = 1}, {x})});
}

// Queries times what the likeness of their head counts.
int scaled(Builder& b, int queries, const std::string& name, int heads) {
    const int size = b.channels(queries) / heads;
    std::vector<float> all;
    for (const float logit : b.take(name + "logit_scale", {heads, 1, 1}))
        all.insert(all.end(), static_cast<std::size_t>(size),
                   static_cast<float>(std::exp(std::min(double{logit}, std::log(100.0)))));
    std::vector<float> none(all.size());
    return b.scale_shift(queries, std::move(all), std::move(none));
}

// What of the channels a kind of attention gets: its queries, keys and values.
struct Parts {
    int q = 0, k = 0, v = 0, heads = 0;
};

Parts parts_of(Builder& b, int qkv, int first, int features, const std::string& name) {
    Parts parts{.heads = b.dim(name + "logit_scale", 0)};
    if (parts.heads < 1 || features % parts.heads != 0) {
        b.fail(Errc::format, "tensor '" + name + "logit_scale' is for " + to_string(parts.heads) +
                                 " heads; expected a divisor of " + to_string(features));
        parts.heads = 1;
    }
    const auto unit = [&](int x) { return unit_length(b, x, parts.heads, Extent::rows(), Extent::columns()); };
    parts.q = unit(b.channels_of(qkv, first, features));
    parts.k = unit(b.channels_of(qkv, first + features, features));
    parts.v = b.channels_of(qkv, first + 2 * features, features);
    return parts;
}

int window_attention(Builder& b, int qkv, int features, const std::string& name, int side, bool shifted) {
    const Parts parts = parts_of(b, qkv, 0, features, name);
    op::WindowAttention op{.heads = parts.heads, .window_h = side, .window_w = side};
    if (shifted) op.shift_h = op.shift_w = side / 2;
    op.bias = make_values(bias_of_offsets(b, name, parts.heads, {side, side}, {side, side}));
    return b.append(std::move(op), {b.concat({scaled(b, parts.q, name, parts.heads), parts.k, parts.v})});
}

int stripe_attention(Builder& b, int qkv, int anchors, const std::string& name, const Layout& layout, bool shifted) {
    const int features = b.channels(anchors), factor = layout.anchor;
    const std::string ask = name + "attn_transform1.", answer = name + "attn_transform2.";
    const Parts parts = parts_of(b, qkv, 3 * features, features, ask);
    anchors = unit_length(b, anchors, parts.heads, Extent::rows(1, factor), Extent::columns(1, factor));
    const int large[2] = {layout.rows, layout.columns}, small[2] = {layout.rows / factor, layout.columns / factor};
    op::CrossAttention op{.heads = parts.heads, .window_h = small[0], .window_w = small[1], .key_h = large[0],
                          .key_w = large[1]};
    if (shifted) op.shift_h = small[0] / 2, op.shift_w = small[1] / 2;
    op.bias = make_values(bias_of_offsets(b, ask, parts.heads, small, large));
    const int heard = b.append(op, {scaled(b, anchors, ask, parts.heads), parts.k, parts.v});
    std::swap(op.window_h, op.key_h);
    std::swap(op.window_w, op.key_w);
    if (shifted) op.shift_h = large[0] / 2, op.shift_w = large[1] / 2;
    op.bias = make_values(bias_of_offsets(b, answer, parts.heads, large, small));
    return b.append(std::move(op), {scaled(b, parts.q, answer, parts.heads), anchors, heard});
}

int block(Builder& b, int x, const std::string& name, Layout layout, int index) {
    const int features = b.channels(x), half = features / 2;
    const std::string attn = name + "attn.";
    if (index % 2 != 0) std::swap(layout.rows, layout.columns);
    const int qkv = b.linear(x, attn + "qkv.body", 3 * features, layout.bias);
    const int squares = b.append(op::AveragePool{.kernel = layout.anchor, .stride = layout.anchor}, {x});
    const int anchors = b.linear(squares, attn + "anchor.body.0.reduction", half);
    const int near =
        window_attention(b, qkv, half, attn + "window_attn.attn_transform.", layout.window, index % 2 == 0);
    const int far = stripe_attention(b, qkv, anchors, attn + "stripe_attn.", layout, index % 4 >= 2);
    const int seen = b.linear(b.concat({near, far}), attn + "proj", features);
    int y = b.add(x, b.layer_norm(seen, name + "norm1"));
    if (b.has(name + "conv.cab.0.weight")) y = b.add(y, convolutions_beside(b, x, name + "conv.cab."));
    return b.add(y, b.layer_norm(mlp(b, y, name + "mlp."), name + "norm2"));
}

Result<void> check(const Layout& layout, int features) {
    if (layout.window < 1)
        return Error{Errc::unsupported,
                     "a GRL network whose windows the file does not say (tensors 'table_w', 'table_sh', 'index_sh_w2a')"};
    const int unit = std::max(layout.rows, layout.columns);
    const bool whole = layout.rows % layout.anchor == 0 && layout.columns % layout.anchor == 0 &&
                       unit % layout.rows == 0 && unit % layout.columns == 0 && unit % layout.window == 0;
    if (features % 2 != 0)
        return Error{Errc::unsupported,
                     "tensor 'conv_first.weight' makes " + to_string(features) + " channels; expected an even number"};
    if (layout.rows < layout.anchor || layout.columns < layout.anchor || !whole)
        return Error{Errc::unsupported, "a GRL network with windows of " + to_string(layout.window) +
                                            " pixels, stripes of " + to_string(layout.rows) + "x" +
                                            to_string(layout.columns) + ", a " + to_string(layout.anchor) +
                                            "th for anchors, which do not fit together"};
    return {};
}

}  // namespace

bool is_grl(const StateDict& weights) {
    return has(weights, "norm_start.weight") &&
           has(weights, "layers.0.blocks.0.attn.stripe_attn.attn_transform1.logit_scale");
}

Result<Network> build_grl(const StateDict& weights) {
    const int groups = count_blocks(weights, "layers.", ".blocks.0.norm1.weight");
    Layout layout = layout_of(weights);
    layout.bias = has(weights, "layers.0.blocks.0.attn.qkv.body.bias");
    SwinHead head = swin_head(weights);
    head.norm = "norm_end";
    head.upsample = "upsample.up.";
    TRY(check(layout, head.features));
    auto network = swin_frame(
        weights, "GRL", head, "norm_start",
        {{"features", head.features},
         {"groups", groups},
         {"blocks", depths_of(weights, groups, ".blocks.", ".norm1.weight")},
         {"window", layout.window},
         {"stripe", to_string(layout.rows) + "x" + to_string(layout.columns)}},
        [&](Builder& b, int x) {
            for (const char* buffer : {"table_w", "table_sh", "table_sv", "index_w", "index_sh_a2w", "index_sh_w2a",
                                       "index_sv_a2w", "index_sv_w2a", "mask_w", "mask_sh_a2w", "mask_sh_w2a",
                                       "mask_sv_a2w", "mask_sv_w2a"})
                b.ignore(buffer);
            for (int g = 0; g < groups; ++g) {
                const std::string layer = "layers." + to_string(g) + ".";
                int y = x;
                for (int i = 0; b.has(layer + "blocks." + to_string(i) + ".norm1.weight") && !b.failed(); ++i)
                    y = block(b, y, layer + "blocks." + to_string(i) + ".", layout, i);
                x = b.add(group_conv(b, y, layer + "conv"), x);
            }
            return x;
        });
    if (!network.ok()) return network;
    if (auto more = network->graph.need_multiple(std::max(layout.rows, layout.columns)); !more.ok()) return more.error();
    network->graph.continue_by(Continuation::reflect_or_zeros);
    return network;
}

}  // namespace enlarge
