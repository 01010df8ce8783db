// SPDX-License-Identifier: Apache-2.0
// SPAN, whose 3x3 convolutions are Conv3XC (merge.hpp); a slim file holds the merged ones alone.
#include <algorithm>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/merge.hpp"

namespace enlarge {
namespace {

// What training subtracted from the input, and the range it multiplied with.
constexpr float kMean[3] = {0.4488F, 0.4371F, 0.4040F};
constexpr float kRange = 255;

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
    const std::string first_name = slim ? "conv_1.eval_conv.weight" : "conv_1.sk.weight";
    std::int64_t scale = 1;
    while (channels > 0 && scale * scale * channels < outputs) ++scale;
    if (scale * scale * channels != outputs)
        return no_scale(weights, "a SPAN network", first_name, channels, "upsampler.0.weight", outputs);
    if (norm && channels != 3)
        return misfit(
            weights,
            "a SPAN network for pictures of " + std::to_string(channels) + " channels that subtracts an RGB mean",
            {first_name});

    Builder b(weights, channels, first_name);
    b.ignore("no_norm");
    if (norm && has(weights, "mean")) {  // programs keep it as a tensor; it is no parameter, so state dicts do not
        const std::vector<float> mean = b.take("mean", {1, 3, 1, 1});
        if (!mean.empty() && !std::equal(mean.begin(), mean.end(), kMean))
            b.fail(Errc::unsupported, "a SPAN network with another mean than the usual one");
    }
    int x = 0;
    if (norm)
        x = b.scale_shift(x, {kRange, kRange, kRange}, {-kMean[0] * kRange, -kMean[1] * kRange, -kMean[2] * kRange});
    const int first = conv3xc(b, x, "conv_1", features);
    int y = first, after_first = 0, last_c1 = 0;
    for (int i = 1; i <= blocks; ++i) {
        const std::string block = "block_" + std::to_string(i);
        last_c1 = b.silu(conv3xc(b, y, block + ".c1_r", features));
        const int c2 = b.silu(conv3xc(b, last_c1, block + ".c2_r", features));
        y = b.span_gate(conv3xc(b, c2, block + ".c3_r", features), y);
        if (i == 1) after_first = y;
    }
    // The activation was done in place in training, so the c1 of the last block that is joined here is after SiLU.
    const int joint = b.concat({first, conv3xc(b, y, "conv_2", features), after_first, last_c1});
    b.pixel_shuffle(b.conv(b.conv(joint, "conv_cat", joined, 1), "upsampler.0", outputs), static_cast<int>(scale));

    Network network;
    TRY(network.graph, b.finish());
    network.family = "SPAN";
    network.variant = std::string(slim ? "slim" : "full") + (norm ? "" : ", no normalisation");
    network.facts = {{"features", features}, {"blocks", blocks}};
    network.scale = static_cast<int>(scale);
    return network;
}

}  // namespace enlarge
