// SPDX-License-Identifier: Apache-2.0
// MoSR: gated convolutional blocks; and what its pixels were by a shorter way is added before the tail.
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/tails.hpp"

namespace enlarge {
namespace {

using std::to_string;

// A third of the wide channels gates, a part passes, the rest is filtered channel by channel.
int block(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = b.dim(name + ".fc1.weight", 0), hidden = wide / 2,
              filtered = b.dim(name + ".conv.weight", 0);
    if (filtered < 1 || filtered > hidden) {
        b.fail(Errc::format, "tensor '" + name + ".conv.weight' filters " + to_string(filtered) + " of " +
                                 to_string(hidden) + " channels");
        return -1;
    }
    const int y = b.conv(b.layer_norm(x, name + ".norm", 1e-6F), name + ".fc1", wide);
    const int gate = b.mish(b.channels_of(y, 0, hidden));
    int moved =
        b.depthwise(b.channels_of(y, wide - filtered, filtered), name + ".conv", b.dim(name + ".conv.weight", 2));
    if (filtered < hidden) moved = b.concat({b.channels_of(y, hidden, hidden - filtered), moved});
    return b.add(b.mish(b.conv(b.multiply(gate, moved), name + ".fc2", features)), b.affine(x, 1, -0.5F));
}

// The mean of eight predictions: linear, so one convolution with the mean of their weights.
int mean_of_eight(Builder& b, int x, int outputs) {
    const std::string name = "upsampler.in_to_k";
    const int in = b.channels(x), kernel = b.dim(name + ".weight", 2);
    const std::vector<float> all = b.take(name + ".weight", {8 * outputs, in, kernel, kernel}),
                             biases = b.take(name + ".bias", {8 * outputs});
    if (b.failed()) return -1;
    std::vector<float> weights(all.size() / 8), bias(biases.size() / 8);
    const auto mean = [](const std::vector<float>& from, std::vector<float>& to) {
        for (std::size_t i = 0; i < to.size(); ++i) {
            double sum = 0;
            for (std::size_t k = 0; k < 8; ++k) sum += from[k * to.size() + i];
            to[i] = static_cast<float>(sum / 8);
        }
    };
    mean(all, weights);
    mean(biases, bias);
    return b.conv(x, std::move(weights), std::move(bias), kernel);
}

}  // namespace

bool is_mosr(const StateDict& weights) {
    return has(weights, "gblocks.0.weight") && has(weights, "gblocks.1.fc1.weight");
}

Result<Network> build_mosr(const StateDict& weights) {
    const int features = dimension(weights, "gblocks.0.weight", 0),
              channels = dimension(weights, "gblocks.0.weight", 1);
    const int blocks = count_blocks(weights, "gblocks.", ".fc1.weight", 1);
    Builder b(weights, channels, "gblocks.0.weight");
    int x = b.conv(0, "gblocks.0", features);
    for (int i = 1; i <= blocks; ++i) x = block(b, x, "gblocks." + to_string(i));
    const auto after = [&](int index) { return "gblocks." + to_string(blocks + index); };
    x = b.mish(b.conv(x, after(1), dimension(weights, after(1) + ".weight", 0)));
    x = b.mish(b.conv(x, after(3), features));
    x = b.conv(x, after(5), features, 1);
    int y = b.mish(b.conv(0, "shortcut.block.0", features));
    y = b.mish(b.conv(y, "shortcut.block.2", features));
    y = b.add(y, b.conv(0, "shortcut.conv11", features, 1));
    x = b.add(x, b.affine(y, 1, -0.5F));

    std::string tail = "pixel shuffle";
    if (has(weights, "upsampler.offset.weight")) {
        tail = "DySample";
        dysample(b, x, "upsampler.", whole_scale(dimension(weights, "upsampler.offset.weight", 0), 8), 4, channels);
    } else {
        const bool eight = has(weights, "upsampler.in_to_k.weight");
        const int outputs =
            eight ? dimension(weights, "upsampler.in_to_k.weight", 0) / 8 : dimension(weights, "upsampler.0.weight", 0);
        const int scale = whole_scale(outputs, channels);
        if (scale < 1)
            b.fail(no_scale(weights, "a MoSR network", "gblocks.0.weight", channels,
                            eight ? "upsampler.in_to_k.weight" : "upsampler.0.weight", outputs));
        if (eight) tail = "mean of eight pixel shuffles";
        b.pixel_shuffle(eight ? mean_of_eight(b, x, outputs) : b.conv(x, "upsampler.0", outputs), scale);
    }
    return b.network(
        "MoSR", tail,
        {{"features", features}, {"blocks", blocks}, {"kernel", dimension(weights, "gblocks.1.conv.weight", 2)}});
}

}  // namespace enlarge
