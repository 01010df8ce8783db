// SPDX-License-Identifier: Apache-2.0
// RTMoSR: gated blocks whose filters run at half the size. What was trained in branches is merged (merge.hpp).
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/merge.hpp"

namespace enlarge {
namespace {

using std::to_string;

// x / root mean square of the channels, scaled and shifted.
int norm(Builder& b, int x, const std::string& name) {
    op::RmsNorm op{.axis = 0, .epsilon = 1e-12F};
    op.scale = make_values(b.take(name + ".scale", {b.channels(x)}));
    std::vector<float> shift = b.take(name + ".offset", {b.channels(x)});
    const std::size_t count = shift.size();
    return b.scale_shift(b.append(std::move(op), {x}), std::vector<float>(count, 1), std::move(shift));
}

// One 5x5 filter per channel: of the channel itself, a 1x1, a 3x3 and a 5x5.
int omni_shift(Builder& b, int x, const std::string& name) {
    const int channels = b.channels(x);
    if (!b.has(name + ".alpha1")) return b.depthwise(x, name + ".conv5x5_reparam", 5);
    std::vector<float> share[4];
    for (int k = 0; k < 4; ++k) share[k] = b.take(name + ".alpha" + to_string(k + 1), {1, channels, 1, 1});
    if (!b.expand(std::int64_t{25} * channels)) return -1;
    std::vector<float> weights(static_cast<std::size_t>(channels) * 25), bias(static_cast<std::size_t>(channels));
    for (int k = 1; k <= 3; ++k) {
        const int size = 2 * k - 1, first = 2 - size / 2;
        const std::string key = name + ".conv" + to_string(size) + "x" + to_string(size);
        const std::vector<float> w = b.take(key + ".weight", {channels, 1, size, size}),
                                 own = b.take(key + ".bias", {channels});
        if (b.failed()) return -1;
        for (std::size_t c = 0; c < bias.size(); ++c) {
            bias[c] += share[k][c] * own[c];
            for (int y = 0; y < size; ++y)
                for (int x0 = 0; x0 < size; ++x0)
                    weights[c * 25 + static_cast<std::size_t>((first + y) * 5 + first + x0)] +=
                        share[k][c] *
                        w[c * static_cast<std::size_t>(size * size) + static_cast<std::size_t>(y * size + x0)];
        }
    }
    for (std::size_t c = 0; c < bias.size(); ++c) weights[c * 25 + 12] += share[0][c];
    b.ignore(name + ".conv5x5_reparam.weight");
    b.ignore(name + ".conv5x5_reparam.bias");
    op::Conv2d op{
        .kernel_h = 5, .kernel_w = 5, .groups = channels, .pad_top = 2, .pad_left = 2, .pad_bottom = 2, .pad_right = 2};
    op.weights = make_values(std::move(weights));
    op.bias = make_values(std::move(bias));
    return b.append(std::move(op), {x});
}

// At half the size, with four times the channels.
int filtered(Builder& b, int x, const std::string& name) {
    const int channels = b.channels(x);
    const int largest = b.append(op::MaxPool{.kernel = 2, .stride = 2}, {x});
    int y = b.add(b.pixel_unshuffle(x, 2), repconv(b, largest, name + ".0.poll.1", 4 * channels));
    y = omni_shift(b, y, name + ".1");
    const std::string gate = name + ".2.squeezing.";
    if (b.has(gate + "0.weight")) {
        int share = b.relu(b.conv(b.global_mean(y), gate + "0", b.dim(gate + "0.weight", 0), 1));
        share = b.affine(b.conv(share, gate + "2", 4 * channels, 1), 1.0F / 6, 0.5F);
        y = b.multiply(y, b.append(op::Clamp{}, {share}));
    }
    return b.pixel_shuffle(y, 2);
}

int width_of(Builder& b, const std::string& name) {
    return b.has(name + ".alpha") ? b.dim(name + ".conv2.weight", 0) : b.dim(name + ".conv_3x3_rep.weight", 0);
}

int block(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = width_of(b, name + ".fc1"), hidden = wide / 2;
    if (hidden < features) {
        b.fail(Errc::format, "the tensors of '" + name + ".fc1' make " + to_string(wide) + " of " +
                                 to_string(features) + " channels; expected at least twice as many");
        return -1;
    }
    const int y = repconv(b, norm(b, x, name + ".norm"), name + ".fc1", wide);
    const int gate = b.mish(b.channels_of(y, 0, hidden));
    int moved = filtered(b, b.channels_of(y, wide - features, features), name + ".conv");
    if (features < hidden) moved = b.concat({b.channels_of(y, hidden, hidden - features), moved});
    const int z = b.multiply(gate, moved);
    const bool plain = b.has(name + ".fc2.weight");
    return b.add(b.mish(plain ? b.conv(z, name + ".fc2", features, 1) : repconv(b, z, name + ".fc2", features)), x);
}

}  // namespace

bool is_rtmosr(const StateDict& weights) {
    return has(weights, "body.0.norm.scale") && has(weights, "body.0.norm.offset");
}

Result<Network> build_rtmosr(const StateDict& weights) {
    const bool blocked = !has(weights, "to_feat.alpha") && !has(weights, "to_feat.conv_3x3_rep.weight");
    const std::string head = blocked ? "to_feat.1" : "to_feat";
    const std::string key = has(weights, head + ".alpha") ? ".conv2.weight" : ".conv_3x3_rep.weight";
    const int features = dimension(weights, head + key, 0), inputs = dimension(weights, head + key, 1);
    const int unshuffle = whole_scale(inputs, 3);
    const int outputs = dimension(weights, "to_img.0" + key, 0), scale = whole_scale(outputs, 3);
    if (unshuffle < 1 || scale < 1 || scale % unshuffle != 0 || (unshuffle > 1) != blocked)
        return no_scale(weights, "a RTMoSR network", head + key, inputs, "to_img.0" + key, outputs);
    const int blocks = count_blocks(weights, "body.", ".norm.scale");
    Builder b(weights, 3);
    int x = repconv(b, b.pixel_unshuffle(0, unshuffle), head, features);
    for (int i = 0; i < blocks; ++i) x = block(b, x, "body." + to_string(i));
    x = b.pixel_shuffle(repconv(b, x, "to_img.0", outputs), scale);
    b.add(x, b.upsample_nearest(0, scale / unshuffle));
    std::string variant = has(weights, "body.0.conv.2.squeezing.0.weight") ? "squeeze and excitation" : "no squeeze";
    if (has(weights, "body.0.fc2.weight")) variant += ", light";
    if (unshuffle > 1) variant += ", pixel unshuffle " + to_string(unshuffle);
    return b.network("RTMoSR", variant, {{"features", features}, {"blocks", blocks}});
}

}  // namespace enlarge
