// SPDX-License-Identifier: Apache-2.0
// SPANPlus: groups of SPAN's blocks with Mish, each group joined by its own convolution.
#include <vector>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/merge.hpp"
#include "arch/tails.hpp"

namespace enlarge {
namespace {

// A block; `first` receives what its first activation gave.
int block(Builder& b, int x, const std::string& name, int& first) {
    const int features = b.channels(x);
    first = b.mish(conv3xc(b, x, name + ".c1_r", features));
    const int second = b.mish(conv3xc(b, first, name + ".c2_r", features));
    return b.span_gate(conv3xc(b, second, name + ".c3_r", features), x);
}

// The activation is done in place, so what the last block hands on besides its result is its first one after Mish.
int group(Builder& b, int x, const std::string& name, int blocks) {
    int inner = 0;
    const int first = block(b, x, name + ".block_1", inner);
    int y = first;
    for (int i = 0; i < blocks; ++i) y = block(b, y, name + ".block_n." + std::to_string(i), inner);
    y = block(b, y, name + ".block_end", inner);
    y = conv3xc(b, y, name + ".conv_2", b.channels(x));
    return b.conv(b.concat({x, y, first, inner}), name + ".conv_cat", b.dim(name + ".conv_cat.weight", 0), 1);
}

}  // namespace

bool is_spanplus(const StateDict& weights) {
    return has(weights, "feats.1.conv_cat.weight") &&
           (has(weights, "feats.0.sk.weight") || has(weights, "feats.0.eval_conv.weight"));
}

Result<Network> build_spanplus(const StateDict& weights) {
    const bool slim = !has(weights, "feats.0.sk.weight");
    const std::string head = slim ? "feats.0.eval_conv.weight" : "feats.0.sk.weight";
    const std::string end = slim ? ".c1_r.eval_conv.weight" : ".c1_r.sk.weight";
    const int features = dimension(weights, head, 0), channels = dimension(weights, head, 1);
    Builder b(weights, channels, head);
    int x = conv3xc(b, 0, "feats.0", features);
    std::string blocks;
    for (int i = 1; has(weights, "feats." + std::to_string(i) + ".conv_cat.weight"); ++i) {
        const std::string name = "feats." + std::to_string(i);
        const int inside = count_blocks(weights, name + ".block_n.", end);
        blocks += (blocks.empty() ? "" : ", ") + std::to_string(inside + 2);
        x = group(b, x, name, inside);
    }
    std::string tail = "pixel shuffle";
    if (has(weights, "upsampler.weight")) {
        tail = "convolution";
        b.conv(x, "upsampler", channels);
    } else if (has(weights, "upsampler.offset.weight")) {
        tail = "DySample";
        // Four groups everywhere: the scale is what remains of the places.
        const int scale = whole_scale(dimension(weights, "upsampler.offset.weight", 0), 8);
        dysample(b, x, "upsampler.", scale, 4, channels);
    } else {
        const int outputs = dimension(weights, "upsampler.0.weight", 0), scale = whole_scale(outputs, channels);
        if (scale < 1) b.fail(no_scale(weights, "a SPANPlus network", head, channels, "upsampler.0.weight", outputs));
        b.pixel_shuffle(b.conv(x, "upsampler.0", outputs), scale);
    }
    return b.network("SPANPlus", tail + (slim ? ", slim" : ""), {{"features", features}, {"blocks", blocks}});
}

}  // namespace enlarge
