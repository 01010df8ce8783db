// SPDX-License-Identifier: Apache-2.0
// RRDBNet: residual in residual dense blocks, then nearest-neighbour doubling with a convolution, once per factor of two.
// Four styles of keys name the same layers. Networks for x2 and x1 may begin with a pixel unshuffle, told by 4 or 16
// times as many input as output channels.
#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

constexpr float kSlope = 0.2F;     // of every LeakyReLU
constexpr int kMostUps = 6;        // x64
constexpr float kResidual = 0.2F;  // how much of a block's result is added to its input

// How a style names the layers.
struct Keys {
    const char* variant;
    const char* first;
    std::string (*dense)(int block, int dense);  // prefix of a dense block's convolutions
    const char* dense_suffix;                    // after "conv1"
    std::string (*body)(int blocks);             // the convolution after the blocks
    std::string (*up)(int index);                // index from 1
    std::string (*hr)(int ups);
    std::string (*last)(int ups);
};

using std::to_string;

std::string old_dense(int b, int d) { return "model.1.sub." + to_string(b) + ".RDB" + to_string(d) + "."; }
std::string old_body(int blocks) { return "model.1.sub." + to_string(blocks); }
std::string old_up(int index) { return "model." + to_string(3 * index); }
std::string old_hr(int ups) { return "model." + to_string(3 * ups + 2); }
std::string old_last(int ups) { return "model." + to_string(3 * ups + 4); }

constexpr Keys kOld{"ESRGAN keys", "model.0", old_dense, ".0", old_body, old_up, old_hr, old_last};

constexpr Keys kReal{"Real-ESRGAN keys",
                     "conv_first",
                     [](int b, int d) { return "body." + to_string(b) + ".rdb" + to_string(d) + "."; },
                     "",
                     [](int) { return std::string("conv_body"); },
                     [](int index) { return "conv_up" + to_string(index); },
                     [](int) { return std::string("conv_hr"); },
                     [](int) { return std::string("conv_last"); }};

constexpr Keys kBsrgan{"BSRGAN keys",
                       "conv_first",
                       [](int b, int d) { return "RRDB_trunk." + to_string(b) + ".RDB" + to_string(d) + "."; },
                       "",
                       [](int) { return std::string("trunk_conv"); },
                       [](int index) { return "upconv" + to_string(index); },
                       [](int) { return std::string("HRconv"); },
                       [](int) { return std::string("conv_last"); }};

constexpr const Keys* kStyles[] = {&kOld, &kReal, &kBsrgan};

std::string dense_conv(const Keys& keys, int block, int dense, int k) {
    return keys.dense(block, dense) + "conv" + to_string(k) + keys.dense_suffix;
}

const Keys* style_of(const StateDict& weights) {
    for (const Keys* keys : kStyles)
        if (has(weights, std::string(keys->first) + ".weight") && has(weights, dense_conv(*keys, 0, 1, 1) + ".weight"))
            return keys;
    return nullptr;
}

// How often the picture is doubled: the largest count for which the last layer has its name and all doublings exist.
int count_ups(const StateDict& weights, const Keys& keys) {
    int ups = 0;
    if (&keys != &kOld) {
        while (ups <= kMostUps && has(weights, keys.up(ups + 1) + ".weight")) ++ups;
        return ups;
    }
    for (int n = 0; n <= kMostUps; ++n)
        if (has(weights, keys.last(n) + ".weight") && has(weights, keys.hr(n) + ".weight")) ups = n;
    return ups;
}

struct Sizes {
    int features = 0, growth = 0, blocks = 0, ups = 0, channels = 0, unshuffle = 1;
    bool shortcuts = false;  // ESRGAN+: a 1x1 convolution past the first two layers of each dense block
};

// One dense block: four convolutions that each see everything before them, and a fifth that sums up.
int dense_block(Builder& b, const Keys& keys, const Sizes& sizes, int block, int dense, int x) {
    std::vector<int> parts{x};
    int second = 0;
    for (int k = 1; k <= 4; ++k) {
        const int seen = k == 1 ? x : b.concat(parts);
        int y = b.leaky_relu(b.conv(seen, dense_conv(keys, block, dense, k), sizes.growth), kSlope);
        if (sizes.shortcuts && k == 2)
            second = y = b.add(y, b.conv(x, keys.dense(block, dense) + "conv1x1", sizes.growth, 1, false));
        if (sizes.shortcuts && k == 4) y = b.add(y, second);
        parts.push_back(y);
    }
    return b.add(b.conv(b.concat(parts), dense_conv(keys, block, dense, 5), sizes.features), x, kResidual, 1);
}

Result<Sizes> sizes_of(const StateDict& weights, const Keys& keys) {
    Sizes sizes;
    const std::string first = std::string(keys.first) + ".weight";
    sizes.features = dimension(weights, first, 0);
    sizes.growth = dimension(weights, dense_conv(keys, 0, 1, 1) + ".weight", 0);
    while (has(weights, dense_conv(keys, sizes.blocks, 1, 1) + ".weight")) ++sizes.blocks;
    sizes.ups = count_ups(weights, keys);
    if (sizes.ups > kMostUps)
        return Error{Errc::unsupported, "an RRDB network that doubles " + to_string(sizes.ups) + " times; at most " +
                                            to_string(kMostUps) + " are supported"};
    sizes.shortcuts = has(weights, keys.dense(0, 1) + "conv1x1.weight");
    const std::string last = keys.last(sizes.ups) + ".weight";
    const int inputs = dimension(weights, first, 1), outputs = dimension(weights, last, 0);
    if (!has(weights, last)) return Error{Errc::format, "tensor '" + last + "' is missing"};
    for (const int factor : {1, 2, 4})  // both are at most 2^20 (dimension())
        if (inputs == outputs * factor * factor) sizes.unshuffle = factor;
    sizes.channels = outputs;
    if (inputs != outputs * sizes.unshuffle * sizes.unshuffle)
        return misfit(weights,
                      "an RRDB network from " + to_string(inputs) + " to " + to_string(outputs) +
                          " channels; expected as many, or 4 or 16 times as many inputs",
                      {first, last});
    if ((1 << sizes.ups) < sizes.unshuffle)
        return misfit(weights,
                      "an RRDB network that makes pictures smaller (" + to_string(1 << sizes.ups) +
                          " after a pixel unshuffle by " + to_string(sizes.unshuffle) + ")",
                      {first, last});
    return sizes;
}

}  // namespace

bool is_rrdb(const StateDict& weights) { return style_of(weights) != nullptr || has(weights, old_dense(0, 1) + "conv1x1.weight"); }

Result<Network> build_rrdb(const StateDict& weights, int likely_scale) {
    const Keys* keys = style_of(weights);
    if (!keys) return Error{Errc::format, "tensor '" + dense_conv(kOld, 0, 1, 1) + ".weight' is missing"};
    TRY(const Sizes sizes, sizes_of(weights, *keys));

    Builder b(weights, sizes.channels);
    const int first = b.conv(b.pixel_unshuffle(0, sizes.unshuffle), keys->first, sizes.features);
    int x = first;
    for (int block = 0; block < sizes.blocks; ++block) {
        int y = x;
        for (int dense = 1; dense <= 3; ++dense) y = dense_block(b, *keys, sizes, block, dense, y);
        x = b.add(y, x, kResidual, 1);
    }
    x = b.add(first, b.conv(x, keys->body(sizes.blocks), sizes.features));
    // One upsampling may be by 2 or by 3: the tensors are the same.
    const bool by_three = sizes.ups == 1 && sizes.unshuffle == 1 && likely_scale == 3;
    for (int up = 1; up <= sizes.ups; ++up)
        x = b.leaky_relu(b.conv(b.upsample_nearest(x, by_three ? 3 : 2), keys->up(up), sizes.features), kSlope);
    x = b.leaky_relu(b.conv(x, keys->hr(sizes.ups), sizes.features), kSlope);
    b.conv(x, keys->last(sizes.ups), sizes.channels);

    Network network;
    TRY(network.graph, b.finish());
    network.family = "RRDB";
    network.variant = sizes.shortcuts && keys == &kOld ? "ESRGAN+ keys" : keys->variant;
    if (sizes.unshuffle > 1) network.variant += ", pixel unshuffle " + to_string(sizes.unshuffle);
    if (by_three) network.variant += ", x3 as its name says";
    network.facts = {{"features", sizes.features}, {"growth", sizes.growth}, {"blocks", sizes.blocks}};
    network.scale = network.graph.scale();
    return network;
}

}  // namespace enlarge
