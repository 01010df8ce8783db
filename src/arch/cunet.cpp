// SPDX-License-Identifier: Apache-2.0
// Two U-shaped networks in a row (Real-CUGAN, CUGAN, waifu2x's cunet), and waifu2x's upconv_7, which is one. All
// convolutions shrink the picture, which is why it is continued on every side first: mirrored for Real-CUGAN, by its
// edge for waifu2x. Gates are from means over all of it.
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr float kSlope = 0.1F;
constexpr float kProScale = 0.7F, kProShift = 0.15F;  // the range that "pro" files want

ConvWindow valid(int kernel, int stride = 1) {
    return {.kernel_h = kernel, .kernel_w = kernel, .stride = stride, .pad_h = 0, .pad_w = 0};
}

int shrinking(Builder& b, int x, const std::string& name, int kernel = 3, int stride = 1) {
    return b.conv(x, name, b.dim(name + ".weight", 0), valid(kernel, stride));
}

int active(Builder& b, int x) { return b.leaky_relu(x, kSlope); }

// Two convolutions, and a gate where the file has one.
int pair(Builder& b, int x, const std::string& name) {
    x = active(b, shrinking(b, x, name + ".conv.0"));
    x = active(b, shrinking(b, x, name + ".conv.2"));
    const std::string gate = name + ".seblock.";
    if (!b.has(gate + "conv1.weight")) return x;
    const bool bias = b.has(gate + "conv1.bias");
    int share = b.relu(b.conv(b.global_mean(x), gate + "conv1", b.dim(gate + "conv1.weight", 0), 1, bias));
    share = b.sigmoid(b.conv(share, gate + "conv2", b.channels(x), 1, bias));
    return b.multiply(x, share);
}

int cropped(Builder& b, int x, int by) {
    return b.append(op::Crop{.top = by, .left = by, .bottom = by, .right = by}, {x});
}

int doubled(Builder& b, int x, const std::string& name) {
    return active(b, b.conv_transpose(x, name, b.dim(name + ".weight", 1), 2, 2, 0));
}

// The last layer enlarges: by 2 with a kernel of 4, by 3 with one of 5, or not at all.
int bottom(Builder& b, int x, const std::string& name) {
    const int kernel = b.dim(name + ".weight", 2);
    if (kernel == 3) return shrinking(b, x, name);
    if (kernel == 5) return b.conv_transpose(x, name, b.dim(name + ".weight", 1), 5, 3, 2);
    return b.conv_transpose(x, name, b.dim(name + ".weight", 1), 4, 2, 3);
}

int first_net(Builder& b, int x) {
    const int wide = pair(b, x, "unet1.conv1");
    int y = active(b, shrinking(b, wide, "unet1.conv1_down", 2, 2));
    y = doubled(b, pair(b, y, "unet1.conv2"), "unet1.conv2_up");
    y = active(b, shrinking(b, b.add(cropped(b, wide, 4), y), "unet1.conv3"));
    return bottom(b, y, "unet1.conv_bottom");
}

int second_net(Builder& b, int x) {
    const int wide = pair(b, x, "unet2.conv1");
    const int half = pair(b, active(b, shrinking(b, wide, "unet2.conv1_down", 2, 2)), "unet2.conv2");
    int y = active(b, shrinking(b, half, "unet2.conv2_down", 2, 2));
    y = doubled(b, pair(b, y, "unet2.conv3"), "unet2.conv3_up");
    y = doubled(b, pair(b, b.add(cropped(b, half, 4), y), "unet2.conv4"), "unet2.conv4_up");
    y = active(b, shrinking(b, b.add(cropped(b, wide, 16), y), "unet2.conv5"));
    return bottom(b, y, "unet2.conv_bottom");
}

int continued(Builder& b, int x, int by, op::Pad::Mode mode) {
    return b.append(op::Pad{.mode = mode, .top = by, .left = by, .bottom = by, .right = by}, {x});
}

int both_nets(Builder& b, int x) {
    const int y = first_net(b, x);
    return b.add(second_net(b, y), cropped(b, y, 20));
}

// What the shapes say of a pair of networks.
struct Kind {
    int inputs = 0, channels = 0, kernel = 0;
    bool final = false, fast = false, pro = false, waifu = false;
};

// Whether the file is waifu2x's, whose keys are Real-CUGAN's: it says so, or it does not enlarge.
bool says_waifu2x(const StateDict& weights) {
    const auto name = weights.metadata.find("name");
    return (name != weights.metadata.end() && name->second.starts_with("waifu2x")) ||
           dimension(weights, "unet1.conv_bottom.weight", 2) == 3;
}

}  // namespace

bool is_cunet(const StateDict& weights) {
    return has(weights, "unet1.conv1.conv.0.weight") && has(weights, "unet2.conv1.conv.0.weight");
}

Result<Network> build_cunet(const StateDict& weights) {
    Kind kind;
    kind.final = has(weights, "conv_final.weight");
    kind.pro = has(weights, "pro");
    kind.waifu = says_waifu2x(weights);
    kind.inputs = dimension(weights, "unet1.conv1.conv.0.weight", 1);
    kind.kernel = dimension(weights, "unet1.conv_bottom.weight", 2);
    kind.channels =
        kind.final ? dimension(weights, "conv_final.weight", 0) / 4 : dimension(weights, "unet2.conv_bottom.weight", 0);
    kind.fast = kind.final && kind.inputs == 4 * kind.channels;
    if (!kind.fast && kind.inputs != kind.channels)
        return misfit(weights,
                      "a network from " + to_string(kind.inputs) + " to " + to_string(kind.channels) + " channels",
                      {"unet1.conv1.conv.0.weight", kind.final ? "conv_final.weight" : "unet2.conv_bottom.weight"});
    if (kind.kernel < 3 || kind.kernel > 5 || (kind.final && kind.kernel != 4))
        return Error{Errc::format, "tensor 'unet1.conv_bottom.weight' has a kernel of " + to_string(kind.kernel) +
                                       "; expected 3, 4 or 5"};
    // By how much the networks shrink the picture, on its own scale.
    const int border = kind.fast ? 38 : kind.final ? 19 : kind.kernel == 3 ? 28 : kind.kernel == 5 ? 14 : 18;

    Builder b(weights, kind.channels, kind.final ? "conv_final.weight" : "unet2.conv_bottom.weight");
    b.ignore("pro");
    int x = continued(b, 0, border, kind.waifu ? op::Pad::Mode::repeat : op::Pad::Mode::reflect);
    if (kind.pro) x = b.affine(x, kProScale, kProShift);
    if (kind.fast) x = b.pixel_unshuffle(x, 2);
    int y = both_nets(b, x);
    if (kind.final) {
        y = b.pixel_shuffle(cropped(b, shrinking(b, y, "conv_final"), 1), 2);
        const int picture = kind.pro ? b.affine(0, kProScale, kProShift) : 0;
        y = b.add(y, b.upsample_nearest(picture, kind.fast ? 2 : 4));
    }
    if (kind.pro) b.affine(y, 1 / kProScale, -kProShift / kProScale);
    if (kind.waifu) b.graph().continue_by(Continuation::repeat);
    // The parts before and after the middle meet where sides are multiples of 4 only.
    if (kind.fast)
        if (auto more = b.graph().need_multiple(4); !more.ok()) return more.error();
    std::string variant = kind.waifu ? "cunet" : kind.fast ? "fast" : kind.pro ? "pro" : "standard";
    if (!has(weights, "unet1.conv2.seblock.conv1.weight")) variant += ", no squeeze";
    return b.network(kind.waifu ? "waifu2x" : "Real-CUGAN", variant,
                     {{"features", dimension(weights, "unet1.conv1.conv.2.weight", 0)}, {"border", border}});
}

bool is_upconv7(const StateDict& weights) {
    return has(weights, "net.0.weight") && has(weights, "net.10.weight") && dimension(weights, "net.12.weight", 2) >= 4;
}

Result<Network> build_upconv7(const StateDict& weights) {
    const int channels = dimension(weights, "net.0.weight", 1);
    Builder b(weights, channels, "net.0.weight");
    int x = continued(b, 0, 7, op::Pad::Mode::repeat);
    for (int i = 0; i <= 10; i += 2) x = active(b, shrinking(b, x, "net." + to_string(i)));
    b.conv_transpose(x, "net.12", channels, 4, 2, 3);
    return b.network("waifu2x", "upconv_7", {{"features", dimension(weights, "net.10.weight", 0)}, {"border", 7}});
}

}  // namespace enlarge
