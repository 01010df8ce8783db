// SPDX-License-Identifier: Apache-2.0
#include "arch/oblong.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

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

}  // namespace

Split split_of(const StateDict& weights, const std::string& name) {
    const Tensor* offsets = find(weights, name);
    if (!offsets || offsets->shape.size() != 2 || offsets->shape[1] != 2 || offsets->values.size() < 2) return {};
    const float rows = offsets->values[offsets->values.size() - 2], columns = offsets->values.back();
    if (!(rows >= 0 && rows < 64 && columns >= 0 && columns < 64)) return {};
    return {static_cast<int>(rows) + 1, static_cast<int>(columns) + 1};
}

PositionBias position_bias(Builder& b, const std::string& name, const Split& split, int features) {
    const PositionNetwork position(b, name);
    const int heads = position.heads(), rows = 2 * split.rows - 1, columns = 2 * split.columns - 1;
    if (b.failed()) return {};
    if (heads < 1 || features % heads != 0 || heads > 4096) {
        b.fail(Errc::format, "'" + name.substr(0, name.size() - 1) + "' is for " + to_string(heads) +
                                 " heads; expected a divisor of " + to_string(features));
        return {};
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
    return {heads, std::move(bias)};
}

int half_of(Builder& b, int qkv, int half) {
    const int all = b.channels(qkv) / 3, features = all / 2;
    std::vector<int> parts;
    for (int part = 0; part < 3; ++part) parts.push_back(b.channels_of(qkv, part * all + half * features, features));
    return b.concat(parts);
}

int oblong_attention(Builder& b, int qkv, const std::string& name, int half, bool shifted) {
    const Split split = split_of(b.weights(), name + "rpe_biases");
    const int features = b.channels(qkv) / 6;
    if (split.rows < 1) {
        b.fail(
            misfit(b.weights(), "offsets that are none within a window of at most 64 pixels", {name + "rpe_biases"}));
        return -1;
    }
    b.take(name + "rpe_biases", {(2 * split.rows - 1) * (2 * split.columns - 1), 2});
    b.ignore(name + "relative_position_index");
    PositionBias bias = position_bias(b, name + "pos.", split, features);
    if (b.failed()) return -1;
    op::WindowAttention op{.heads = bias.heads, .window_h = split.rows, .window_w = split.columns};
    if (shifted) op.shift_h = split.rows / 2, op.shift_w = split.columns / 2;
    op.scale = 1 / std::sqrt(static_cast<float>(features / bias.heads));
    op.bias = make_values(std::move(bias.table));
    op.beyond = op::WindowAttention::Beyond::zeros;
    op.unit = std::max(split.rows, split.columns);
    return b.append(std::move(op), {half_of(b, qkv, half)});
}

int gated_layers(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = b.dim(name + "fc1.weight", 0);
    x = b.gelu(b.linear(x, name + "fc1", wide));
    if (wide % 2 != 0)
        b.fail(Errc::format,
               "tensor '" + name + "fc1.weight' makes " + to_string(wide) + " channels; expected an even number");
    const int gate =
        b.depthwise(b.layer_norm(b.channels_of(x, wide / 2, wide / 2), name + "sg.norm"), name + "sg.conv", 3);
    return b.linear(b.multiply(b.channels_of(x, 0, wide / 2), gate), name + "fc2", features);
}

bool is_shifted(int group, int block) {
    return group % 2 == 0 ? block > 0 && (block - 2) % 4 == 0 : block % 4 == 0;
}

}  // namespace enlarge
