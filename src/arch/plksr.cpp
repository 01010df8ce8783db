// SPDX-License-Identifier: Apache-2.0
// PLKSR and RealPLKSR: blocks of two convolutions, one with a large kernel over a part of the channels, and a gate. The
// result is added to the picture's pixels, each repeated for all that it becomes.
#include <algorithm>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/tails.hpp"

namespace enlarge {
namespace {

using std::to_string;

std::string feats(int index) { return "feats." + to_string(index) + "."; }

// The largest N of a key feats.N.weight with four dimensions.
int last_convolution(const StateDict& weights) {
    int last = 0;
    for (auto it = weights.tensors.lower_bound("feats.");
         it != weights.tensors.end() && it->first.starts_with("feats."); ++it) {
        const std::string& name = it->first;
        const std::size_t dot = name.find('.', 6);
        if (dot == std::string::npos || dot > 11 || name.substr(dot) != ".weight") continue;
        last = std::max(last, std::atoi(name.c_str() + 6));
    }
    return last;
}

// Kernels of other sizes in the middle of one: their sum is one convolution.
int sparse_kernel(Builder& b, int from, const std::string& name, int part) {
    const int k = b.dim(name + "mn_conv.weight", 2), n = b.dim(name + "mn_conv.weight", 3);
    const std::int64_t pairs = std::int64_t{part} * part;
    if (k < 1 || n < 1 || n > k || k > 255 || !b.expand(pairs * k * k)) {
        b.fail(Errc::format, "tensor '" + name + "mn_conv.weight' is no kernel taller than wide");
        return -1;
    }
    std::vector<float> weights(static_cast<std::size_t>(pairs * k * k)), bias(static_cast<std::size_t>(part));
    const std::pair<const char*, std::pair<int, int>> kernels[] = {
        {"mn_conv", {k, n}}, {"nm_conv", {n, k}}, {"nn_conv", {n, n}}};
    for (const auto& [which, size] : kernels) {
        const auto [rows, columns] = size;
        const std::vector<float> w = b.take(name + which + ".weight", {part, part, rows, columns});
        const std::vector<float> own = b.take(name + which + ".bias", {part});
        if (b.failed()) return -1;
        for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += own[i];
        std::size_t at = 0;
        for (std::int64_t pair = 0; pair < pairs; ++pair)
            for (int y = 0; y < rows; ++y)
                for (int x = 0; x < columns; ++x)
                    weights[static_cast<std::size_t>((pair * k + y + k / 2 - rows / 2) * k + x + k / 2 -
                                                     columns / 2)] += w[at++];
    }
    return b.conv(from, std::move(weights), std::move(bias), k);
}

// The large kernel over the first channels; the others pass.
int large_kernel(Builder& b, int x, const std::string& name) {
    const bool sparse = b.has(name + "mn_conv.weight");
    const std::string key = name + (sparse ? "mn_conv" : "conv");
    const int part = b.dim(key + ".weight", 0), all = b.channels(x);
    if (part < 1 || part > all) {
        b.fail(Errc::format,
               "tensor '" + key + ".weight' is for " + to_string(part) + " of " + to_string(all) + " channels");
        return -1;
    }
    const int first = b.channels_of(x, 0, part);
    const int seen =
        sparse ? sparse_kernel(b, first, name, part) : b.conv(first, key, part, square(b.dim(key + ".weight", 2)));
    return part == all ? seen : b.concat({seen, b.channels_of(x, part, all - part)});
}

struct Kind {
    bool real = false, norm = false;
    const char* mixer = nullptr;
};

int block(Builder& b, int x, const std::string& name, const Kind& kind) {
    const std::string mixer = name + kind.mixer;
    const int features = b.channels(x), wide = b.dim(mixer + ".0.weight", 0);
    int y = kind.norm ? b.layer_norm(x, name + "layer_norm", 1e-6F) : x;
    y = b.conv(y, mixer + ".0", wide, square(b.dim(mixer + ".0.weight", 2)));
    y = kind.real ? b.mish(y) : b.gelu(y);
    y = b.conv(y, mixer + ".2", features, square(b.dim(mixer + ".2.weight", 2)));
    y = large_kernel(b, y, name + "lk.");
    if (b.has(name + "attn.f.0.weight")) y = b.multiply(y, b.sigmoid(b.conv(y, name + "attn.f.0", features)));
    y = b.conv(y, name + "refine", features, 1);
    // The number of groups is not in the file; every published one has 4.
    if (kind.real && !kind.norm) y = b.group_norm(y, name + "norm", 4);
    return b.add(y, x);
}

// Every channel of the picture `times` times in a row.
int repeated(Builder& b, int picture, int times) {
    const int channels = b.channels(picture);
    std::vector<float> weights(static_cast<std::size_t>(channels * channels * times));
    for (int o = 0; o < channels * times; ++o) weights[static_cast<std::size_t>(o * channels + o / times)] = 1;
    return b.conv(picture, std::move(weights), std::vector<float>(static_cast<std::size_t>(channels * times)), 1);
}

}  // namespace

bool is_plksr(const StateDict& weights) {
    return has(weights, "feats.0.weight") &&
           (has(weights, "feats.1.channe_mixer.0.weight") || has(weights, "feats.1.channel_mixer.0.weight"));
}

Result<Network> build_plksr(const StateDict& weights) {
    Kind kind;
    kind.real = has(weights, "feats.1.channel_mixer.0.weight");
    kind.norm = has(weights, "feats.1.layer_norm.weight");
    kind.mixer = kind.real ? "channel_mixer" : "channe_mixer";  // spelt like this in every file
    if (has(weights, "feats.1.lk.convs.0.weight"))
        return Error{Errc::unsupported, "a PLKSR network of sparse kernels, whose dilations are not in the file"};
    const int features = dimension(weights, "feats.0.weight", 0), channels = dimension(weights, "feats.0.weight", 1);
    int blocks = 0;
    while (has(weights, feats(blocks + 1) + kind.mixer + ".0.weight")) ++blocks;
    const int last = last_convolution(weights), outputs = dimension(weights, feats(last) + "weight", 0);
    const int scale = whole_scale(outputs, channels);
    if (scale < 1)
        return no_scale(weights, "a PLKSR network", "feats.0.weight", channels, feats(last) + "weight", outputs);
    if (last != blocks + 1 && last != blocks + 2)
        return Error{Errc::format, "tensor '" + feats(last) + "weight' follows " + to_string(blocks) +
                                       " blocks; expected '" + feats(blocks + 1) + "weight' or '" + feats(blocks + 2) +
                                       "weight'"};

    Builder b(weights, channels, "feats.0.weight");
    int x = b.conv(0, "feats.0", features);
    for (int i = 1; i <= blocks; ++i) x = block(b, x, feats(i), kind);
    x = b.conv(x, "feats." + to_string(last), outputs);
    const bool samples = has(weights, "to_img.offset.weight");
    if (samples) {
        x = b.add(x, repeated(b, 0, scale * scale));
        dysample(b, x, "to_img.", scale, 0, channels);
    } else if (scale == 1) {
        b.add(x, 0);
    } else {
        b.add(b.pixel_shuffle(x, scale), b.upsample_nearest(0, scale));
    }
    const std::string kernel =
        has(weights, "feats.1.lk.mn_conv.weight") ? "feats.1.lk.mn_conv.weight" : "feats.1.lk.conv.weight";
    std::string variant = kind.real ? (kind.norm ? "layer norm" : "group norm") : "plain";
    if (samples) variant += ", DySample";
    return b.network(kind.real ? "RealPLKSR" : "PLKSR", variant,
                     {{"features", features},
                      {"blocks", blocks},
                      {"kernel", dimension(weights, kernel, 2)},
                      {"channels of the kernel", dimension(weights, kernel, 0)}});
}

}  // namespace enlarge
