// SPDX-License-Identifier: Apache-2.0
// Plain residual networks: EDSR (two styles of keys), RCAN (groups of blocks with a gate per channel), SRResNet,
// ArtCNN.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/tails.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr float kMean[3] = {0.4488F, 0.4371F, 0.4040F};  // of the pictures that these were trained with
constexpr float kRange = 255;

// (x - mean) * range and its inverse; no mean for pictures of one channel.
int normalised(Builder& b, int x, bool back) {
    const auto channels = static_cast<std::size_t>(b.channels(x));
    std::vector<float> scale(channels, back ? 1 / kRange : kRange), shift(channels, 0);
    for (std::size_t c = 0; c < channels && channels == 3; ++c) shift[c] = back ? kMean[c] : -kMean[c] * kRange;
    return b.scale_shift(x, std::move(scale), std::move(shift));
}

// How much of each block is added is not in the file: 0.1 in the wide networks, all of it in the others.
float residual_share(int features) { return features >= 256 ? 0.1F : 1.0F; }

// The kernel's channels of a head, and how much the picture is folded before it.
struct Head {
    std::string name;
    int features = 0, channels = 0, unshuffle = 1;
};

std::string short_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value == 0 ? 0.0 : value);
    return text;
}

// What the pictures are multiplied by before the mean is taken off, as the convolutions for the mean tell it: a
// channel's bias is range * mean / deviation, its weight 1 / deviation. Training may have moved both a little, so that
// what is near to one of the two usual ranges is that; any other must be told the same way by all channels.
Result<float> told_range(const StateDict& weights, const std::string& family) {
    std::vector<double> told;
    for (const bool back : {false, true}) {
        const std::string name = back ? "add_mean" : "sub_mean";
        const Tensor *const weight = find(weights, name + ".weight"), *const bias = find(weights, name + ".bias");
        if (!weight || !bias) continue;
        const std::size_t channels = bias->values.size();
        if (channels == 0 || weight->values.size() != channels * channels) continue;  // refused with the convolution
        for (std::size_t c = 0; c < channels; ++c) {
            const double mean = channels == 3 ? kMean[c] : kMean[1];
            told.push_back((back ? 1.0 : -1.0) * static_cast<double>(bias->values[c]) /
                           (static_cast<double>(weight->values[c * channels + c]) * mean));
        }
    }
    if (told.empty()) return kRange;
    const double least = *std::min_element(told.begin(), told.end()),
                 most = *std::max_element(told.begin(), told.end());
    const double middle = least + (most - least) / 2;
    const bool agreed = least > 0 && most < least * 1.01;
    for (const double usual : {1.0, static_cast<double>(kRange)})
        if (agreed ? std::abs(middle - usual) < usual * 0.01 : least > usual / 2 && most < usual * 2)
            return static_cast<float>(usual);
    if (agreed) return static_cast<float>(middle);
    std::string list;
    for (const double one : told) list += (list.empty() ? "" : ", ") + short_number(one);
    return Error{Errc::unsupported,
                 "this seems to be " + family + ", but sub_mean and add_mean do not tell one range of values: " + list};
}

// The older style: head, body, tail; with the mean as convolutions where the file has them.
int shifted(Builder& b, int x, const std::string& name) { return b.has(name + ".weight") ? b.conv(x, name, 3, 1) : x; }

int residual_pair(Builder& b, int x, const std::string& first, const std::string& second) {
    const int features = b.channels(x);
    return b.conv(b.relu(b.conv(x, first, features)), second, features);
}

Head head_of(const StateDict& weights) {
    Head head;
    head.name = has(weights, "head.0.weight") ? "head.0" : "head.1";
    head.features = dimension(weights, head.name + ".weight", 0);
    head.channels = dimension(weights, "tail.1.weight", 0);
    head.unshuffle = whole_scale(dimension(weights, head.name + ".weight", 1), head.channels);
    return head;
}

// Both ends of the older style around a body.
template <class Body>
Result<Network> framed(const StateDict& weights, const std::string& family, std::vector<Fact> facts, Body body) {
    const Head head = head_of(weights);
    int scale = 1;
    const int inputs = dimension(weights, head.name + ".weight", 1);
    const Error folds =
        misfit(weights, "a network from " + to_string(inputs) + " to " + to_string(head.channels) + " channels",
               {head.name + ".weight", "tail.1.weight"});
    if (head.unshuffle < 1 || (head.unshuffle > 1) != (head.name == "head.1")) return folds;
    Builder b(weights, head.channels, "tail.1.weight");
    const bool mean = has(weights, "sub_mean.weight");
    TRY(const float range, told_range(weights, family));
    const int in = mean ? shifted(b, b.affine(0, range, 0), "sub_mean") : 0;
    const int first = b.conv(b.pixel_unshuffle(in, head.unshuffle), head.name, head.features);
    int x = shuffle_chain(b, b.add(body(b, first), first), "tail.0.", scale);
    if (scale % std::max(head.unshuffle, 1) != 0) return folds;
    x = b.conv(x, "tail.1", head.channels);
    if (mean) b.affine(shifted(b, x, "add_mean"), 1 / range, 0);
    std::string variant = mean ? "with mean" : "no mean";
    if (mean && range != kRange) variant += ", range " + short_number(static_cast<double>(range));
    if (head.unshuffle > 1) variant += ", pixel unshuffle " + to_string(head.unshuffle);
    return b.network(family, variant, std::move(facts));
}

int attention_block(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x);
    const int y = residual_pair(b, x, name + ".0", name + ".2");
    int gate = b.relu(b.conv(b.global_mean(y), name + ".3.conv_du.0", b.dim(name + ".3.conv_du.0.weight", 0), 1));
    gate = b.sigmoid(b.conv(gate, name + ".3.conv_du.2", features, 1));
    return b.add(b.multiply(y, gate), x);
}

}  // namespace

bool is_rcan(const StateDict& weights) {
    return has(weights, "body.0.body.0.body.3.conv_du.0.weight") && has(weights, "tail.1.weight");
}

Result<Network> build_rcan(const StateDict& weights) {
    const int groups = count_blocks(weights, "body.", ".body.0.body.0.weight"),
              blocks = count_blocks(weights, "body.0.body.", ".body.0.weight");
    return framed(weights, "RCAN",
                  {{"features", head_of(weights).features},
                   {"groups", groups},
                   {"blocks", blocks},
                   {"gate", dimension(weights, "body.0.body.0.body.3.conv_du.0.weight", 0)}},
                  [&](Builder& b, int x) {
                      const int features = b.channels(x);
                      for (int g = 0; g < groups; ++g) {
                          const std::string group = "body." + to_string(g);
                          const int inside = count_blocks(weights, group + ".body.", ".body.0.weight");
                          int y = x;
                          for (int i = 0; i < inside; ++i)
                              y = attention_block(b, y, group + ".body." + to_string(i) + ".body");
                          x = b.add(b.conv(y, group + ".body." + to_string(inside), features), x);
                      }
                      return b.conv(x, "body." + to_string(groups), features);
                  });
}

bool is_edsr(const StateDict& weights) {
    return (has(weights, "conv_after_body.weight") && has(weights, "body.0.conv1.weight")) ||
           (has(weights, "body.0.body.0.weight") && has(weights, "body.0.body.2.weight") &&
            has(weights, "tail.1.weight"));
}

Result<Network> build_edsr(const StateDict& weights) {
    if (!has(weights, "conv_after_body.weight")) {
        const int blocks = count_blocks(weights, "body.", ".body.0.weight");
        return framed(
            weights, "EDSR", {{"features", head_of(weights).features}, {"blocks", blocks}}, [&](Builder& b, int x) {
                for (int i = 0; i < blocks; ++i) {
                    const std::string name = "body." + to_string(i) + ".body";
                    x = b.add(residual_pair(b, x, name + ".0", name + ".2"), x, residual_share(b.channels(x)), 1);
                }
                return b.conv(x, "body." + to_string(blocks), b.channels(x));
            });
    }
    const int features = dimension(weights, "conv_first.weight", 0),
              channels = dimension(weights, "conv_first.weight", 1),
              blocks = count_blocks(weights, "body.", ".conv1.weight");
    int scale = 1;
    Builder b(weights, channels, "conv_first.weight");
    const int first = b.conv(normalised(b, 0, false), "conv_first", features);
    int x = first;
    for (int i = 0; i < blocks; ++i) {
        const std::string name = "body." + to_string(i);
        x = b.add(residual_pair(b, x, name + ".conv1", name + ".conv2"), x, residual_share(features), 1);
    }
    x = shuffle_chain(b, b.add(b.conv(x, "conv_after_body", features), first), "upsample.", scale);
    normalised(b, b.conv(x, "conv_last", channels), true);
    return b.network("EDSR", "BasicSR keys", {{"features", features}, {"blocks", blocks}});
}

bool is_srresnet(const StateDict& weights) {
    return has(weights, "conv_first.weight") && has(weights, "body.0.conv1.weight");
}

Result<Network> build_srresnet(const StateDict& weights) {
    constexpr float kSlope = 0.1F;
    const int features = dimension(weights, "conv_first.weight", 0),
              channels = dimension(weights, "conv_first.weight", 1),
              blocks = count_blocks(weights, "body.", ".conv1.weight");
    Builder b(weights, channels, "conv_first.weight");
    int x = b.leaky_relu(b.conv(0, "conv_first", features), kSlope);
    for (int i = 0; i < blocks; ++i) {
        const std::string name = "body." + to_string(i);
        x = b.add(residual_pair(b, x, name + ".conv1", name + ".conv2"), x);
    }
    int scale = 1;
    for (int up = 1; has(weights, "upconv" + to_string(up) + ".weight"); ++up) {
        const std::string name = "upconv" + to_string(up);
        const int out = dimension(weights, name + ".weight", 0), factor = whole_scale(out, features);
        if (factor < 2 || scale > 64)
            return no_scale(weights, "an MSRResNet network", "conv_first.weight", features, name + ".weight", out);
        x = b.leaky_relu(b.pixel_shuffle(b.conv(x, name, out), factor), kSlope);
        scale *= factor;
    }
    x = b.conv(b.leaky_relu(b.conv(x, "conv_hr", features), kSlope), "conv_last", channels);
    b.add(x, scale == 1 ? 0 : b.append(op::Resize{.num = scale}, {0}));
    return b.network("MSRResNet", "BasicSR keys", {{"features", features}, {"blocks", blocks}});
}

bool is_artcnn(const StateDict& weights) {
    return has(weights, "conv0.weight") && has(weights, "depth_to_space.upscale.0.weight");
}

Result<Network> build_artcnn(const StateDict& weights) {
    const int features = dimension(weights, "conv0.weight", 0), channels = dimension(weights, "conv0.weight", 1),
              kernel = dimension(weights, "conv0.weight", 2),
              blocks = count_blocks(weights, "res_block.", ".conv.0.0.weight"),
              outputs = dimension(weights, "depth_to_space.upscale.0.weight", 0),
              scale = whole_scale(outputs, channels);
    if (scale < 1)
        return no_scale(weights, "an ArtCNN network", "conv0.weight", channels, "depth_to_space.upscale.0.weight",
                        outputs);
    if (kernel % 2 == 0)
        return misfit(weights,
                      "an ArtCNN network with kernels of " + to_string(kernel) + " pixels; expected an odd number",
                      {"conv0.weight"});
    Builder b(weights, channels, "conv0.weight");
    const auto conv = [&](int from, const std::string& name, int out) {
        return b.conv(from, name, out, square(kernel));
    };
    const int first = conv(0, "conv0", features);
    int x = first;
    for (int i = 0; i < blocks; ++i) {
        const std::string name = "res_block." + to_string(i) + ".conv.";
        int y = b.relu(conv(x, name + "0.0", features));
        y = b.relu(conv(y, name + "1.0", features));
        x = b.add(conv(y, name + "2", features), x);
    }
    x = b.add(conv(x, "res_block." + to_string(blocks), features), first);
    b.pixel_shuffle(conv(x, "depth_to_space.upscale.0", outputs), scale);
    return b.network("ArtCNN", channels == 1 ? "luma" : "colour", {{"features", features}, {"blocks", blocks}});
}

}  // namespace enlarge
