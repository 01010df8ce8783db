// SPDX-License-Identifier: Apache-2.0
// SPSR: an RRDB network, and beside it one that draws edges from the picture's gradient and helps with the last steps.
// The network has three results; this is the second, the picture.
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr float kSlope = 0.2F, kResidual = 0.2F;

int dense_block(Builder& b, int x, const std::string& name) {
    std::vector<int> parts{x};
    for (int k = 1; k <= 4; ++k) {
        const std::string conv = name + ".conv" + to_string(k) + ".0";
        parts.push_back(b.leaky_relu(b.conv(k == 1 ? x : b.concat(parts), conv, b.dim(conv + ".weight", 0)), kSlope));
    }
    return b.add(b.conv(b.concat(parts), name + ".conv5.0", b.channels(x)), x, kResidual, 1);
}

int rrdb(Builder& b, int x, const std::string& name) {
    int y = x;
    for (int k = 1; k <= 3; ++k) y = dense_block(b, y, name + ".RDB" + to_string(k));
    return b.add(y, x, kResidual, 1);
}

// The length of each channel's gradient.
int gradient(Builder& b, int x) {
    const int channels = b.channels(x);
    std::vector<float> weights;
    for (int side = 0; side < 2; ++side) {
        b.ignore(side ? "get_g_nopadding.weight_v" : "get_g_nopadding.weight_h");
        for (int c = 0; c < channels; ++c) {
            std::vector<float> filter(9, 0);
            filter[side ? 1 : 3] = -1;
            filter[side ? 7 : 5] = 1;
            weights.insert(weights.end(), filter.begin(), filter.end());
        }
    }
    const auto half = static_cast<std::ptrdiff_t>(weights.size() / 2);
    const auto squared = [&](std::vector<float> filters) {
        op::Conv2d op{.kernel_h = 3,
                      .kernel_w = 3,
                      .groups = channels,
                      .pad_top = 1,
                      .pad_left = 1,
                      .pad_bottom = 1,
                      .pad_right = 1};
        op.weights = make_values(std::move(filters));
        op.bias = make_values(std::vector<float>(static_cast<std::size_t>(channels)));
        const int y = b.append(std::move(op), {x});
        return b.multiply(y, y);
    };
    const int sum =
        b.add(squared({weights.begin(), weights.begin() + half}), squared({weights.begin() + half, weights.end()}));
    return b.append(op::Sqrt{}, {b.affine(sum, 1, 1e-6F)});
}

}  // namespace

bool is_spsr(const StateDict& weights) {
    return has(weights, "b_fea_conv.0.weight") && has(weights, "f_HR_conv1.0.weight");
}

Result<Network> build_spsr(const StateDict& weights) {
    const int features = dimension(weights, "model.0.weight", 0), channels = dimension(weights, "model.0.weight", 1);
    int blocks = 0, ups = 0;
    while (has(weights, "model.1.sub." + to_string(blocks) + ".RDB1.conv1.0.weight")) ++blocks;
    for (int n = 0; n <= 7; ++n)
        if (has(weights, "b_module." + to_string(3 * n) + ".weight") &&
            has(weights, "b_module." + to_string(3 * n + 2) + ".weight"))
            ups = n;
    if (blocks < 20)
        return Error{Errc::unsupported, "an SPSR network of " + to_string(blocks) +
                                            " blocks; at least 20 are expected, and tensor 'model.1.sub." +
                                            to_string(blocks) + ".RDB1.conv1.0.weight' is missing"};
    if (ups > 6) return Error{Errc::unsupported, "an SPSR network that doubles more than 6 times"};
    Builder b(weights, channels, "model.0.weight");
    const auto conv = [&](int from, const std::string& name, int out) { return b.conv(from, name, out); };
    const auto up = [&](int x, const std::string& name, int first) {
        for (int i = 0; i < ups; ++i)
            x = b.leaky_relu(conv(b.upsample_nearest(x, 2), name + to_string(first + 3 * i), features), kSlope);
        return b.leaky_relu(conv(x, name + to_string(first + 3 * ups - 1), features), kSlope);
    };
    // The picture.
    const int first = conv(0, "model.0", features);
    int x = first, stages[4] = {0, 0, 0, 0};
    for (int i = 0; i < blocks; ++i) {
        x = rrdb(b, x, "model.1.sub." + to_string(i));
        if (i < 20 && i % 5 == 4) stages[i / 5] = x;
    }
    x = b.add(first, conv(x, "model.1.sub." + to_string(blocks), features));
    x = conv(up(x, "model.", 3), "HR_conv1_new.0", features);
    // Its edges.
    const int edges = conv(gradient(b, 0), "b_fea_conv.0", features);
    int y = edges;
    for (int i = 0; i < 4; ++i) {
        y = rrdb(b, b.concat({y, stages[i]}), "b_block_" + to_string(i + 1));
        y = conv(y, "b_concat_" + to_string(i + 1) + ".0", features);
    }
    y = b.add(conv(y, "b_LR_conv.0", features), edges);
    y = conv(up(y, "b_module.", 1), "b_module." + to_string(3 * ups + 2), features);
    // Both.
    int z = conv(rrdb(b, b.concat({y, x}), "f_block"), "f_concat.0", features);
    z = b.conv(b.leaky_relu(conv(z, "f_HR_conv0.0", features), kSlope), "f_HR_conv1.0", channels);
    for (const char* unused : {"conv_w.0.weight", "conv_w.0.bias", "HR_conv0_new.0.weight", "HR_conv0_new.0.bias"})
        b.ignore(unused);
    (void)z;
    return b.network("SPSR", "second result",
                     {{"features", features},
                      {"blocks", blocks},
                      {"growth", dimension(weights, "model.1.sub.0.RDB1.conv1.0.weight", 0)}});
}

}  // namespace enlarge
