// SPDX-License-Identifier: Apache-2.0
// SRVGGNetCompact: convolutions with PReLU at the input's size, one pixel shuffle, plus the input enlarged by repetition.
// The sizes are all in the shapes: body.0 says features and channels, the last body.N the scale.
#include <cmath>

#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

std::string body(int index) { return "body." + std::to_string(index); }

// The largest N of a key body.N.weight.
int last_index(const StateDict& weights) {
    int last = 0;
    while (has(weights, body(last + 1) + ".weight")) ++last;
    return last;
}

}  // namespace

bool is_compact(const StateDict& weights) {
    return dimension(weights, "body.0.weight", 3) > 0 &&
           (has(weights, "body.1.weight") || has(weights, "body.2.weight"));
}

Result<Network> build_compact(const StateDict& weights) {
    if (!has(weights, "body.1.weight"))
        return Error{Errc::unsupported,
                     "a Compact network without PReLU ('body.1.weight' is missing): the file does not say whether its "
                     "activation is ReLU or LeakyReLU"};
    const int last = last_index(weights);
    if (has(weights, body(last + 2) + ".weight"))
        return Error{Errc::format, "tensor '" + body(last + 1) + ".weight' is missing, though '" + body(last + 2) +
                                       ".weight' is there"};
    const int features = dimension(weights, "body.0.weight", 0), channels = dimension(weights, "body.0.weight", 1);
    if (last < 2 || last % 2 != 0)
        return Error{Errc::format, "a Compact network that ends with '" + body(last) +
                                       "'; expected an even number of 2 or more (convolution, PReLU, ..., convolution)"};
    const int outputs = dimension(weights, body(last) + ".weight", 0);
    const int scale = channels > 0 ? static_cast<int>(std::lround(std::sqrt(outputs / channels))) : 0;
    if (scale < 1 || std::int64_t{scale} * scale * channels != outputs)
        return no_scale(weights, "a Compact network", "body.0.weight", channels, body(last) + ".weight", outputs);

    Builder b(weights, channels, "body.0.weight");
    int x = 0;
    for (int i = 0; i < last; i += 2) x = b.prelu(b.conv(x, body(i), features), body(i + 1));
    x = b.pixel_shuffle(b.conv(x, body(last), outputs), scale);
    b.add(x, b.upsample_nearest(0, scale));

    Network network;
    TRY(network.graph, b.finish());
    network.family = "Compact";
    network.variant = "PReLU";
    network.facts = {{"features", features}, {"blocks", last / 2 - 1}};
    network.scale = scale;
    return network;
}

}  // namespace enlarge
