// SPDX-License-Identifier: Apache-2.0
// DAT: blocks of attention between pixels in two kinds of oblong windows, each for half of the channels, in turn with
// blocks of attention between channels over the whole picture; both mixed with a convolution by two gates.
#include <algorithm>
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/transformer.hpp"

namespace enlarge {
namespace {

using std::to_string;

// A small network that turns offsets within a window into biases: numbers, not layers, since offsets never change.
class PositionNetwork {
public:
    PositionNetwork(Builder& b, std::string name)
        : b_(b), name_(std::move(name)), width_(b.dim(name_ + "pos_proj.weight", 0)) {
        if (!b_.expand(std::int64_t{width_} * width_ * 2)) return;
        first_ = layer("pos_proj", width_, 2);
        for (const char* step : {"pos1", "pos2", "pos3"}) {
            const std::string key = name_ + step;
            norms_.push_back({b_.take(key + ".0.weight", {width_}), b_.take(key + ".0.bias", {width_})});
            layers_.push_back(layer(std::string(step) + ".2", std::string(step) == "pos3" ? heads() : width_, width_));
        }
    }
    [[nodiscard]] int heads() const { return b_.dim(name_ + "pos3.2.weight", 0); }
    // Of one offset, for each head.
    [[nodiscard]] std::vector<double> operator()(double rows, double columns) const {
        std::vector<double> x = apply(first_, {rows, columns});
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            double mean = 0, variance = 0;
            for (const double v : x) mean += v / static_cast<double>(x.size());
            for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
            for (std::size_t k = 0; k < x.size(); ++k)
                x[k] = std::max(0.0,
                                (x[k] - mean) / std::sqrt(variance + 1e-5) * norms_[i].first[k] + norms_[i].second[k]);
            x = apply(layers_[i], x);
        }
        return x;
    }

private:
    struct Layer {
        std::vector<float> weights, bias;
    };
    Layer layer(const std::string& name, int out, int in) {
        return {b_.take(name_ + name + ".weight", {out, in}), b_.take(name_ + name + ".bias", {out})};
    }
    static std::vector<double> apply(const Layer& layer, const std::vector<double>& x) {
        std::vector<double> y(layer.bias.begin(), layer.bias.end());
        for (std::size_t o = 0; o < y.size(); ++o)
            for (std::size_t i = 0; i < x.size(); ++i) y[o] += x[i] * layer.weights[o * x.size() + i];
        return y;
    }

    Builder& b_;
    std::string name_;
    int width_;
    Layer first_;
    std::vector<Layer> layers_;
    std::vector<std::pair<std::vector<float>, std::vector<float>>> norms_;
};

struct Split {
    int rows = 0, columns = 0;
};

// Sides of the windows, from the last of the offsets that the file lists.
Split split_of(const StateDict& weights, const std::string& name) {
    const Tensor* offsets = find(weights, name + "rpe_biases");
    if (!offsets || offsets->shape.size() != 2 || offsets->shape[1] != 2 || offsets->values.size() < 2) return {};
    const float rows = offsets->values[offsets->values.size() - 2], columns = offsets->values.back();
    if (!(rows >= 0 && rows < 64 && columns >= 0 && columns < 64)) return {};
    return {static_cast<int>(rows) + 1, static_cast<int>(columns) + 1};
}

// One kind of windows, for one half of the channels.
int oblong_attention(Builder& b, int qkv, const std::string& name, int half, bool shifted) {
    const Split split = split_of(b.weights(), name);
    const int all = b.channels(qkv) / 3, features = all / 2;
    const int rows = 2 * split.rows - 1, columns = 2 * split.columns - 1;
    if (split.rows < 1) {
        b.fail(Errc::format,
               "tensor '" + name + "rpe_biases' is no list of offsets within a window of at most 64 pixels");
        return -1;
    }
    b.take(name + "rpe_biases", {rows * columns, 2});
    b.ignore(name + "relative_position_index");
    const PositionNetwork position(b, name + "pos.");
    const int heads = position.heads();
    if (b.failed()) return -1;
    if (heads < 1 || features % heads != 0 || heads > 4096) {
        b.fail(Errc::format,
               "'" + name + "pos' is for " + to_string(heads) + " heads; expected a divisor of " + to_string(features));
        return -1;
    }
    std::vector<float> bias(static_cast<std::size_t>(heads) * static_cast<std::size_t>(rows * columns));
    for (int y = 0; y < rows; ++y)
        for (int x = 0; x < columns; ++x) {
            const std::vector<double> all_heads = position(y - split.rows + 1, x - split.columns + 1);
            for (std::size_t head = 0; head < all_heads.size(); ++head)
                bias[(head * static_cast<std::size_t>(rows) + static_cast<std::size_t>(y)) *
                         static_cast<std::size_t>(columns) +
                     static_cast<std::size_t>(x)] = static_cast<float>(all_heads[head]);
        }
    op::WindowAttention op{.heads = heads, .window_h = split.rows, .window_w = split.columns};
    if (shifted) op.shift_h = split.rows / 2, op.shift_w = split.columns / 2;
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(std::move(bias));
    op.beyond = op::WindowAttention::Beyond::zeros;
    op.unit = std::max(split.rows, split.columns);
    std::vector<int> parts;
    for (int part = 0; part < 3; ++part) parts.push_back(b.channels_of(qkv, part * all + half * features, features));
    return b.append(std::move(op), {b.concat(parts)});
}

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
    const int qkv = b.linear(x, name + "qkv", 3 * features, b.has(name + "qkv.bias"));
    const bool between_channels = b.has(name + "temperature");
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

int gated_layers(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = b.dim(name + "fc1.weight", 0);
    x = b.gelu(b.linear(x, name + "fc1", wide));
    if (wide % 2 != 0)
        b.fail(Errc::format, "'" + name + "fc1' makes " + to_string(wide) + " channels; expected an even number");
    const int gate =
        b.depthwise(b.layer_norm(b.channels_of(x, wide / 2, wide / 2), name + "sg.norm"), name + "sg.conv", 3);
    return b.linear(b.multiply(b.channels_of(x, 0, wide / 2), gate), name + "fc2", features);
}

bool is_shifted(int group, int block) { return group % 2 == 0 ? block > 0 && (block - 2) % 4 == 0 : block % 4 == 0; }

}  // namespace

bool is_dat(const StateDict& weights) {
    return has(weights, "before_RG.1.weight") && !has(weights, "layers.0.blocks.0.gamma");
}

Result<Network> build_dat(const StateDict& weights) {
    const int groups = count_blocks(weights, "layers.", ".blocks.0.norm1.weight");
    const SwinHead head = swin_head(weights);
    const Split split = split_of(weights, "layers.0.blocks.0.attn.attns.0.");
    std::string blocks;
    for (int g = 0; g < groups; ++g)
        blocks +=
            (g ? ", " : "") + to_string(count_blocks(weights, "layers." + to_string(g) + ".blocks.", ".norm1.weight"));
    return swin_frame(
        weights, "DAT", head, "before_RG.1",
        {{"features", head.features},
         {"groups", groups},
         {"blocks", blocks},
         {"window", to_string(split.rows) + "x" + to_string(split.columns)}},
        [&](Builder& b, int x) {
            for (int g = 0; g < groups; ++g) {
                const std::string layer = "layers." + to_string(g) + ".";
                int y = x;
                for (int i = 0; b.has(layer + "blocks." + to_string(i) + ".norm1.weight"); ++i) {
                    const std::string name = layer + "blocks." + to_string(i) + ".";
                    y = b.add(y, attention(b, b.layer_norm(y, name + "norm1"), name + "attn.", is_shifted(g, i)));
                    y = b.add(y, gated_layers(b, b.layer_norm(y, name + "norm2"), name + "ffn."));
                }
                x = b.add(group_conv(b, y, layer + "conv"), x);
            }
            return x;
        });
}

}  // namespace enlarge
