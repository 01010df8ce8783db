// SPDX-License-Identifier: Apache-2.0
// Swift-SRGAN: separable convolutions with batch normalisation; the result is a tangent, brought to 0..1.
#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

// One filter per channel, then a mix of channels.
int separable(Builder& b, int x, const std::string& name, int out) {
    const bool bias = b.has(name + ".depthwise.bias");
    x = b.depthwise(x, name + ".depthwise", b.dim(name + ".depthwise.weight", 2), bias);
    return b.conv(x, name + ".pointwise", out, 1, bias);
}

int normed(Builder& b, int x, const std::string& name) {
    return b.batch_norm(separable(b, x, name + ".cnn", b.channels(x)), name + ".bn");
}

}  // namespace

bool is_swiftsrgan(const StateDict& weights) {
    return has(weights, "initial.cnn.depthwise.weight") && has(weights, "final_conv.pointwise.weight");
}

Result<Network> build_swiftsrgan(const StateDict& weights) {
    const int channels = dimension(weights, "initial.cnn.depthwise.weight", 0),
              features = dimension(weights, "initial.cnn.pointwise.weight", 0);
    const int blocks = count_blocks(weights, "residual.", ".block1.cnn.depthwise.weight"),
              ups = count_blocks(weights, "upsampler.", ".conv.pointwise.weight");
    if (ups > 6)
        return Error{Errc::unsupported,
                     "a Swift-SRGAN network that doubles " + std::to_string(ups) + " times; at most 6 are supported"};
    Builder b(weights, channels, "initial.cnn.depthwise.weight");
    const int first = b.prelu(separable(b, 0, "initial.cnn", features), "initial.act");
    int x = first;
    for (int i = 0; i < blocks; ++i) {
        const std::string name = "residual." + std::to_string(i);
        const int y = b.prelu(normed(b, x, name + ".block1"), name + ".block1.act");
        x = b.add(normed(b, y, name + ".block2"), x);
        b.ignore(name + ".block2.act.weight");  // there, and never used
    }
    x = b.add(normed(b, x, "convblock"), first);
    b.ignore("convblock.act.weight");
    for (int i = 0; i < ups; ++i) {
        const std::string name = "upsampler." + std::to_string(i);
        x = b.prelu(b.pixel_shuffle(separable(b, x, name + ".conv", 4 * features), 2), name + ".act");
    }
    b.affine(b.tanh(separable(b, x, "final_conv", channels)), 0.5F, 0.5F);
    return b.network("Swift-SRGAN", "separable", {{"features", features}, {"blocks", blocks}});
}

}  // namespace enlarge
