// SPDX-License-Identifier: Apache-2.0
// MoESR: gated blocks whose filters are square, wide and tall; groups of them, each followed by some at half the size.
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/tails.hpp"

namespace enlarge {
namespace {

using std::to_string;

// Most channels pass; three parts are filtered by a square, a row and a column.
int mixed_filters(Builder& b, int x, const std::string& name) {
    const int all = b.channels(x), part = b.dim(name + "dwconv_hw.weight", 0), rest = all - 3 * part;
    if (part < 1 || rest < 0) {
        b.fail(Errc::format, "tensor '" + name + "dwconv_hw.weight' filters " + to_string(part) + " of " +
                                 to_string(all) + " channels");
        return -1;
    }
    const auto filter = [&](const char* which, int index) {
        const std::string key = name + which;
        return b.conv(b.channels_of(x, rest + index * part, part), key, part,
                      {.kernel_h = b.dim(key + ".weight", 2), .kernel_w = b.dim(key + ".weight", 3), .groups = part});
    };
    std::vector<int> parts;
    if (rest > 0) parts.push_back(b.channels_of(x, 0, rest));
    parts.push_back(filter("dwconv_hw", 0));
    parts.push_back(filter("dwconv_w", 1));
    parts.push_back(filter("dwconv_h", 2));
    return b.concat(parts);
}

int gated(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = b.dim(name + "fc1.weight", 0), hidden = wide / 2;
    if (hidden < features) {
        b.fail(Errc::format, "tensor '" + name + "fc1.weight' makes " + to_string(wide) + " of " + to_string(features) +
                                 " channels; expected at least twice as many");
        return -1;
    }
    const int y = b.conv(b.layer_norm(x, name + "norm", 1e-6F), name + "fc1", wide);
    const int gate = b.mish(b.channels_of(y, 0, hidden));
    int moved = mixed_filters(b, b.channels_of(y, wide - features, features), name + "conv.");
    if (hidden > features) moved = b.concat({b.channels_of(y, hidden, hidden - features), moved});
    const int z = b.mish(b.conv(b.multiply(gate, moved), name + "fc2", features));
    return b.add(b.scale_channels(z, name + "gamma"), x);
}

}  // namespace

bool is_moesr(const StateDict& weights) {
    return has(weights, "in_to_dim.weight") && has(weights, "blocks.0.blocks.0.gamma");
}

Result<Network> build_moesr(const StateDict& weights) {
    const int features = dimension(weights, "in_to_dim.weight", 0),
              channels = dimension(weights, "in_to_dim.weight", 1);
    const int groups = count_blocks(weights, "blocks.", ".blocks.0.gamma"),
              blocks = count_blocks(weights, "blocks.0.blocks.", ".gamma");
    Builder b(weights, channels, "in_to_dim.weight");
    const MetaTail tail = read_meta_tail(b, "upscale.");
    const int first = b.conv(0, "in_to_dim", features);
    int x = first;
    for (int g = 0; g < groups; ++g) {
        const std::string name = "blocks." + to_string(g) + ".";
        for (int i = 0; b.has(name + "blocks." + to_string(i) + ".gamma"); ++i)
            x = gated(b, x, name + "blocks." + to_string(i) + ".");
        int y = b.conv(x, name + "msg.down.0", b.dim(name + "msg.down.0.weight", 0));
        y = b.leaky_relu(b.pixel_unshuffle(y, 2), 0.1F);
        for (int i = 0; b.has(name + "msg.gated." + to_string(i) + ".gamma"); ++i)
            y = gated(b, y, name + "msg.gated." + to_string(i) + ".");
        y = b.conv(y, name + "msg.up.0", b.dim(name + "msg.up.0.weight", 0));
        x = b.add(b.leaky_relu(b.pixel_shuffle(y, 2), 0.1F), x);
    }
    meta_tail(b, b.add(x, first), "upscale.", tail);
    return b.network("MoESR", tail.name, {{"features", features}, {"groups", groups}, {"blocks", blocks}});
}

}  // namespace enlarge
