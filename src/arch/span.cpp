// SPDX-License-Identifier: Apache-2.0
// SPAN. Each 3x3 convolution was trained as 1x1, 3x3, 1x1 plus a 1x1 past them (Conv3XC); the four are merged into one
// here, in double precision. A full file also holds a merged `eval_conv`, which may be stale and is not trusted; a slim
// file holds nothing else.
#include <algorithm>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

// What training subtracted from the input, and the range it multiplied with.
constexpr float kMean[3] = {0.4488F, 0.4371F, 0.4040F};
constexpr float kRange = 255;

struct Merged {
    std::vector<float> weights, bias;
};

// W = W3 * W2 * W1 + the 1x1 in the middle, in channels -> middle -> wide -> out channels.
Merged merge(Builder& b, const StateDict& weights, const std::string& name, int in, int out) {
    const int mid = dimension(weights, name + ".conv.0.weight", 0), wide = dimension(weights, name + ".conv.1.weight", 0);
    // Training widens by two. A file may repeat few numbers many times, and what is merged here grows with the product.
    constexpr int kMostWidening = 16;
    const std::int64_t most = std::int64_t{kMostWidening} * std::max(in, out);
    if (mid > most || wide > most) {
        b.fail(Errc::unsupported, "'" + name + "' widens " + std::to_string(in) + " channels to " +
                                      std::to_string(std::max(mid, wide)) + "; at most " + std::to_string(most) +
                                      " are expected");
        return {};
    }
    // Numbers, and for what takes longer than memory a thousandth of the multiplications.
    if (!b.expand(std::int64_t{9} * in * (std::int64_t{wide} + out) + std::int64_t{9} * wide * mid / 1024 * in))
        return {};
    const std::vector<float> w1 = b.take(name + ".conv.0.weight", {mid, in, 1, 1}), b1 = b.take(name + ".conv.0.bias", {mid});
    const std::vector<float> w2 = b.take(name + ".conv.1.weight", {wide, mid, 3, 3}), b2 = b.take(name + ".conv.1.bias", {wide});
    const std::vector<float> w3 = b.take(name + ".conv.2.weight", {out, wide, 1, 1}), b3 = b.take(name + ".conv.2.bias", {out});
    const std::vector<float> skip = b.take(name + ".sk.weight", {out, in, 1, 1}), skip_bias = b.take(name + ".sk.bias", {out});
    b.ignore(name + ".eval_conv.weight");
    b.ignore(name + ".eval_conv.bias");
    if (skip_bias.empty() || b3.empty()) return {};

    const auto at = [](int row, int columns, int column) {
        return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column);
    };
    // First 3x3 after 1x1: wide x in x 9.
    std::vector<double> inner(at(wide, in * 9, 0), 0.0), inner_bias(static_cast<std::size_t>(wide));
    for (int o = 0; o < wide; ++o) {
        double sum = b2[static_cast<std::size_t>(o)];
        for (int m = 0; m < mid; ++m)
            for (int tap = 0; tap < 9; ++tap) {
                const double w = w2[at(o, mid * 9, m * 9 + tap)];
                sum += w * b1[static_cast<std::size_t>(m)];
                for (int i = 0; i < in; ++i) inner[at(o, in * 9, i * 9 + tap)] += w * w1[at(m, in, i)];
            }
        inner_bias[static_cast<std::size_t>(o)] = sum;
    }
    // Then the last 1x1, and the way past.
    Merged merged;
    std::vector<double> row(static_cast<std::size_t>(in) * 9);
    for (int o = 0; o < out; ++o) {
        std::fill(row.begin(), row.end(), 0.0);
        double sum = static_cast<double>(b3[static_cast<std::size_t>(o)]) + skip_bias[static_cast<std::size_t>(o)];
        for (int m = 0; m < wide; ++m) {
            const double w = w3[at(o, wide, m)];
            sum += w * inner_bias[static_cast<std::size_t>(m)];
            for (std::size_t i = 0; i < row.size(); ++i) row[i] += w * inner[at(m, in * 9, 0) + i];
        }
        for (int i = 0; i < in; ++i) row[static_cast<std::size_t>(i) * 9 + 4] += skip[at(o, in, i)];
        for (const double value : row) merged.weights.push_back(static_cast<float>(value));
        merged.bias.push_back(static_cast<float>(sum));
    }
    return merged;
}

// A Conv3XC, or what is left of it in a slim file.
int conv(Builder& b, const StateDict& weights, int from, const std::string& name, int out) {
    if (!has(weights, name + ".sk.weight")) return b.conv(from, name + ".eval_conv", out);
    Merged merged = merge(b, weights, name, b.channels(from), out);
    return b.conv(from, std::move(merged.weights), std::move(merged.bias));
}

// Channels of the picture and features, from whichever form conv_1 has.
int first_dimension(const StateDict& weights, std::size_t dim) {
    const int full = dimension(weights, "conv_1.sk.weight", dim);
    return full > 0 ? full : dimension(weights, "conv_1.eval_conv.weight", dim);
}

}  // namespace

bool is_span(const StateDict& weights) {
    return has(weights, "conv_cat.weight") && first_dimension(weights, 0) > 0 &&
           (has(weights, "block_1.c1_r.sk.weight") || has(weights, "block_1.c1_r.eval_conv.weight"));
}

Result<Network> build_span(const StateDict& weights) {
    const int features = first_dimension(weights, 0), channels = first_dimension(weights, 1);
    const bool slim = !has(weights, "conv_1.sk.weight"), norm = !has(weights, "no_norm");
    const std::string suffix = slim ? ".c1_r.eval_conv.weight" : ".c1_r.sk.weight";
    const int blocks = count_blocks(weights, "block_", suffix, 1);
    const int joined = dimension(weights, "conv_cat.weight", 0), outputs = dimension(weights, "upsampler.0.weight", 0);
    std::int64_t scale = 1;
    while (channels > 0 && scale * scale * channels < outputs) ++scale;
    if (scale * scale * channels != outputs)
        return Error{Errc::unsupported, "a SPAN network from " + std::to_string(channels) + " channels to " +
                                            std::to_string(outputs) + " values per pixel, which is no whole scale"};
    if (norm && channels != 3)
        return Error{Errc::unsupported, "a SPAN network for pictures of " + std::to_string(channels) +
                                            " channels that subtracts an RGB mean"};

    Builder b(weights, channels);
    b.ignore("no_norm");
    if (norm && has(weights, "mean")) {  // programs keep it as a tensor; it is no parameter, so state dicts do not
        const std::vector<float> mean = b.take("mean", {1, 3, 1, 1});
        if (!mean.empty() && !std::equal(mean.begin(), mean.end(), kMean))
            b.fail(Errc::unsupported, "a SPAN network with another mean than the usual one");
    }
    int x = 0;
    if (norm)
        x = b.scale_shift(x, {kRange, kRange, kRange}, {-kMean[0] * kRange, -kMean[1] * kRange, -kMean[2] * kRange});
    const int first = conv(b, weights, x, "conv_1", features);
    int y = first, after_first = 0, last_c1 = 0;
    for (int i = 1; i <= blocks; ++i) {
        const std::string block = "block_" + std::to_string(i);
        last_c1 = b.silu(conv(b, weights, y, block + ".c1_r", features));
        const int c2 = b.silu(conv(b, weights, last_c1, block + ".c2_r", features));
        y = b.span_gate(conv(b, weights, c2, block + ".c3_r", features), y);
        if (i == 1) after_first = y;
    }
    // The activation was done in place in training, so the c1 of the last block that is joined here is after SiLU.
    const int joint = b.concat({first, conv(b, weights, y, "conv_2", features), after_first, last_c1});
    b.pixel_shuffle(b.conv(b.conv(joint, "conv_cat", joined, 1), "upsampler.0", outputs), static_cast<int>(scale));

    Network network;
    TRY(network.graph, b.finish());
    network.family = "SPAN";
    network.variant = std::string(slim ? "slim" : "full") + (norm ? "" : ", no normalisation");
    network.features = features;
    network.blocks = blocks;
    network.scale = static_cast<int>(scale);
    return network;
}

}  // namespace enlarge
