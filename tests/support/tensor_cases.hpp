// SPDX-License-Identifier: Apache-2.0
// Small networks with every operation, for backends that run node by node; 10 and 18 features, so that nothing is a
// whole number of blocks.
#pragma once

#include <functional>

#include "support/networks.hpp"

namespace enlarge::test {

struct TensorCase {
    const char* name;
    bool tiles;                                           // whether it is the same in tiles
    std::function<int(NetworkBuilder& b, int x)> layers;  // from 10 features to any number
};

inline Values numbers(std::size_t n, float first, float step) {
    std::vector<float> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = first + step * static_cast<float>(i % 7);
    return make_values(std::move(values));
}

inline op::Conv2d conv(int out, int in, int kernel, int stride, int groups) {
    op::Conv2d c;
    c.kernel_h = c.kernel_w = kernel;
    c.stride_h = c.stride_w = stride;
    c.groups = groups;
    c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = kernel / 2;
    c.weights = numbers(static_cast<std::size_t>(out * (in / groups) * kernel * kernel), -0.09F, 0.03F);
    c.bias = numbers(static_cast<std::size_t>(out), -0.1F, 0.05F);
    return c;
}

inline int attend(NetworkBuilder& b, int x, const Operation& op) { return b.append(op, {b.conv(x, 30, 1)}); }

// A network that would otherwise run in rows of pixels, so that a norm is added.
inline int normed(NetworkBuilder& b, int x) {
    return b.append(op::LayerNorm{0, 1e-5F, numbers(static_cast<std::size_t>(b.channels(x)), 0.5F, 0.2F),
                                  numbers(static_cast<std::size_t>(b.channels(x)), -0.1F, 0.1F)},
                    {x});
}

inline op::WindowAttention window(int shift, bool table) {
    op::WindowAttention op;
    op.heads = 2;
    op.window_h = 4;
    op.window_w = 2;
    op.shift_h = shift;
    op.shift_w = shift / 2;
    op.scale = 0.4F;
    op.bias = table ? numbers(2 * 7 * 3, -0.5F, 0.2F) : numbers(2 * 8 * 8, -0.5F, 0.2F);
    return op;
}

inline op::WindowAttention continued(op::WindowAttention::Beyond beyond) {
    op::WindowAttention op = window(2, false);
    op.beyond = beyond;
    op.unit = 12;  // of windows whose sides are no multiples of the picture's
    return op;
}

inline const TensorCase kTensorCases[] = {
    {"winograd_with_everything", true,
     [](NetworkBuilder& b, int x) {
         const int y = b.prelu(b.conv(normed(b, x), 10));
         return b.add(b.add(y, x, 0.5F, 2.0F), x, 1.0F, -0.5F);
     }},
    {"winograd_and_gelu", true,
     [](NetworkBuilder& b, int x) { return b.append(op::Gelu{}, {b.conv(normed(b, x), 18)}); }},
    {"winograd_and_gate", true, [](NetworkBuilder& b, int x) { return b.span_gate(b.conv(normed(b, x), 10), x); }},
    {"winograd_and_silu", true, [](NetworkBuilder& b, int x) { return b.silu(b.conv(normed(b, x), 10)); }},
    {"five_by_five", true, [](NetworkBuilder& b, int x) { return b.leaky_relu(b.conv(normed(b, x), 18, 5)); }},
    {"seventeen_by_seventeen", true, [](NetworkBuilder& b, int x) { return b.conv(normed(b, x), 3, 17, 0.5F); }},
    {"five_by_five_of_many", true,
     [](NetworkBuilder& b, int x) { return b.leaky_relu(b.conv(b.conv(normed(b, x), 20, 1), 52, 5, 0.5F)); }},
    {"seventeen_by_seventeen_of_many", true,
     [](NetworkBuilder& b, int x) { return b.conv(b.conv(normed(b, x), 16, 1), 16, 17, 0.2F); }},
    {"eight_by_thirteen_with_everything", true,
     [](NetworkBuilder& b, int x) {
         op::Conv2d c = conv(18, 18, 13, 1, 1);
         c.kernel_h = 8;
         c.weights = numbers(18 * 18 * 8 * 13, -0.01F, 0.004F);
         c.pad_top = 2;
         c.pad_bottom = 5;
         const int wide = b.conv(normed(b, x), 18, 1);
         return b.append(op::Gelu{}, {b.add(b.add(b.append(c, {wide}), wide, 0.5F, 2.0F), wide, 1.0F, -0.5F)});
     }},
    {"nine_by_nine_unpadded", true,
     [](NetworkBuilder& b, int x) {
         op::Conv2d c = conv(16, 20, 9, 1, 1);
         c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 0;
         const int wide = b.conv(normed(b, x), 20, 1);
         return b.append(c, {b.append(op::Pad{op::Pad::Mode::repeat, 4, 4, 4, 4}, {wide})});
     }},
    {"one_by_one_and_mish", true,
     [](NetworkBuilder& b, int x) { return b.append(op::Mish{}, {b.conv(normed(b, x), 18, 1)}); }},
    {"strided", true,
     [](NetworkBuilder& b, int x) { return b.upsample_nearest(b.append(conv(18, 10, 3, 2, 1), {normed(b, x)}), 2); }},
    {"dilated", true,
     [](NetworkBuilder& b, int x) {
         op::Conv2d c = conv(10, 10, 3, 1, 1);
         c.dilation_h = c.dilation_w = c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 2;
         return b.append(c, {normed(b, x)});
     }},
    {"unpadded", true,
     [](NetworkBuilder& b, int x) {
         op::Conv2d c = conv(18, 10, 3, 1, 1);
         c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 0;
         const int y = b.append(op::Pad{op::Pad::Mode::repeat, 3, 2, 1, 2}, {normed(b, x)});
         return b.append(op::Crop{1, 1, 1, 1}, {b.append(op::Pad{op::Pad::Mode::zeros, 1, 1, 1, 1},
                                                         {b.append(op::Crop{1, 1, 1, 1}, {b.append(c, {y})})})});
     }},
    {"mirrored", true,
     [](NetworkBuilder& b, int x) {
         return b.append(op::Crop{4, 5, 3, 2},
                         {b.conv(b.append(op::Pad{op::Pad::Mode::reflect, 4, 5, 3, 2}, {normed(b, x)}), 10)});
     }},
    {"transposed", true,
     [](NetworkBuilder& b, int x) {
         op::ConvTranspose2d c;
         c.kernel_h = c.kernel_w = 4;
         c.stride_h = c.stride_w = 2;
         c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = 1;
         c.weights = numbers(10 * 18 * 16, -0.09F, 0.03F);
         c.bias = numbers(18, -0.1F, 0.05F);
         return b.append(conv(10, 18, 3, 2, 1), {b.append(op::LeakyRelu{}, {b.append(c, {normed(b, x)})})});
     }},
    {"transposed_by_three", true,
     [](NetworkBuilder& b, int x) {
         op::ConvTranspose2d c;
         c.kernel_h = 5;
         c.kernel_w = 2;
         c.stride_h = c.stride_w = 3;
         c.pad_top = 2;
         c.extra_h = c.extra_w = 1;
         c.weights = numbers(10 * 6 * 10, -0.09F, 0.03F);
         c.bias = numbers(6, -0.1F, 0.05F);
         op::Conv2d down = conv(10, 6, 3, 3, 1);
         down.pad_top = down.pad_left = down.pad_bottom = down.pad_right = 0;
         return b.append(down, {b.append(op::Crop{0, 0, 1, 0}, {b.append(c, {normed(b, x)})})});
     }},
    {"depthwise", true, [](NetworkBuilder& b, int x) { return b.append(conv(10, 10, 7, 1, 10), {normed(b, x)}); }},
    {"grouped", true, [](NetworkBuilder& b, int x) { return b.append(conv(20, 10, 3, 1, 2), {normed(b, x)}); }},
    {"norms", true,
     [](NetworkBuilder& b, int x) {
         const int rms = b.append(op::RmsNorm{0, 1e-6F, numbers(10, 0.5F, 0.1F)}, {normed(b, x)});
         return b.append(op::L2Norm{}, {b.add(rms, x)});
     }},
    {"norms_of_the_picture", false,
     [](NetworkBuilder& b, int x) {
         const int group = b.append(op::GroupNorm{5, 1e-5F, numbers(10, 0.5F, 0.1F), numbers(10, 0, 0.1F)}, {x});
         return b.append(op::InstanceNorm{1e-5F, numbers(10, 0.5F, 0.1F), numbers(10, 0, 0.1F)}, {b.add(group, x)});
     }},
    {"squeeze_and_excite", false,
     [](NetworkBuilder& b, int x) {
         const int small = b.append(op::LeakyRelu{}, {b.conv(b.append(op::GlobalMean{}, {x}), 4, 1)});
         return b.append(op::Multiply{}, {x, b.append(op::Sigmoid{}, {b.conv(small, 10, 1)})});
     }},
    {"one_number_for_all_channels", true,
     [](NetworkBuilder& b, int x) {
         return b.append(op::Multiply{}, {b.append(op::Tanh{}, {b.conv(normed(b, x), 1, 1)}), x});
     }},
    {"number_by_number", true,
     [](NetworkBuilder& b, int x) {
         const int a = b.append(op::HardSwish{}, {normed(b, x)}), c = b.append(op::Clamp{-0.5F, 0.5F}, {x});
         return b.append(op::Gelu{true}, {b.append(op::Maximum{}, {b.prelu(a), b.silu(c)})});
     }},
    {"channels_moved", true,
     [](NetworkBuilder& b, int x) {
         const int y = normed(b, x);
         return b.concat(
             {b.append(op::Slice{0, 6, op::Slice::kEnd, 1}, {y}), b.append(op::Slice{0, -9, 3, 1}, {y}), x});
     }},
    {"pixels_moved", true,
     [](NetworkBuilder& b, int x) {
         return b.pixel_shuffle(b.append(op::Mish{}, {b.pixel_unshuffle(normed(b, x), 2)}), 2);
     }},
    {"rolled", false,
     [](NetworkBuilder& b, int x) {
         return b.append(op::Roll{-3, 5}, {normed(b, x)});
     }},
    {"own_kernels", true,
     [](NetworkBuilder& b, int x) {
         return b.append(op::DynamicConv2d{3}, {x, b.conv(normed(b, x), 45, 1)});
     }},
    {"windows", true, [](NetworkBuilder& b, int x) { return attend(b, x, window(0, false)); }},
    {"shifted_windows", true, [](NetworkBuilder& b, int x) { return attend(b, x, window(2, true)); }},
    {"windows_beyond_zeros", false,
     [](NetworkBuilder& b, int x) { return attend(b, x, continued(op::WindowAttention::Beyond::zeros)); }},
    {"windows_beyond_mirrored", false,
     [](NetworkBuilder& b, int x) { return attend(b, x, continued(op::WindowAttention::Beyond::reflect)); }},
    {"grid", false,
     [](NetworkBuilder& b, int x) {
         return attend(b, x, op::GridAttention{2, 4, 2, 0.4F, numbers(2 * 8 * 8, -0.5F, 0.2F)});
     }},
    {"overlapping_windows", true,
     [](NetworkBuilder& b, int x) {
         return b.append(op::OverlapAttention{2, 4, 6, 0.4F, numbers(2 * 16 * 36, -0.5F, 0.2F)},
                         {b.conv(x, 10, 1), b.conv(x, 20, 1)});
     }},
    {"channel_attention", false,
     [](NetworkBuilder& b, int x) {
         return attend(b, x, op::ChannelAttention{2, 0, 1e-12F, numbers(2, 0.7F, 0.5F)});
     }},
    {"channels_in_windows", true,
     [](NetworkBuilder& b, int x) {
         return attend(b, x, op::ChannelAttention{2, 4, 1e-12F, numbers(2, 0.7F, 0.5F)});
     }},
    {"channels_of_a_grid", false,
     [](NetworkBuilder& b, int x) {
         const Extent rows = Extent::rows(1, 2), columns = Extent::columns(1, 2);
         int y = b.append(op::PixelUnshuffle{2}, {b.conv(x, 30, 1)});
         y = b.append(op::Reshape{{3, 10, 4, rows, columns}}, {y});
         y = b.append(op::Reshape{{120, rows, columns}}, {b.append(op::Transpose{{0, 2, 1, 3, 4}}, {y})});
         y = b.append(op::ChannelAttention{8, 0, 1e-12F, numbers(8, 0.7F, 0.5F)}, {y});
         y = b.append(op::Transpose{{1, 0, 2, 3}}, {b.append(op::Reshape{{4, 10, rows, columns}}, {y})});
         return b.pixel_shuffle(b.append(op::Reshape{{40, rows, columns}}, {y}), 2);
     }},
    {"pooled", true,
     [](NetworkBuilder& b, int x) {
         const int mean = b.append(op::AveragePool{3, 1, 1, false}, {x}), most = b.append(op::MaxPool{3, 1, 1}, {x});
         return b.add(b.append(op::AveragePool{3, 1, 1}, {mean}), most);
     }},
    {"resized", true,
     [](NetworkBuilder& b, int x) {
         const int large = b.append(op::Resize{op::Resize::Mode::bicubic}, {x});
         const int small = b.append(op::Resize{op::Resize::Mode::bilinear, false, 1, 2}, {large});
         return b.add(small, b.append(op::Resize{op::Resize::Mode::nearest, false, 1, 2}, {large}));
     }},
    {"resized_by_corners", false,
     [](NetworkBuilder& b, int x) {
         const int large = b.append(op::Resize{op::Resize::Mode::bilinear, true, 3, 1}, {x});
         return b.append(op::AveragePool{3, 3}, {large});
     }},
    {"sampled", false,
     [](NetworkBuilder& b, int x) {
         const int places = b.append(op::Tanh{}, {b.conv(x, 4)});
         const int zeros = b.append(op::GridSample{op::GridSample::Beyond::zeros, false, 2}, {x, places});
         return b.append(op::GridSample{op::GridSample::Beyond::border, true, 2, true}, {zeros, b.conv(x, 4)});
     }},
};

// Operations that have no code of their own on the CPU.
inline const TensorCase kMoreTensorCases[] = {
    {"transposed_as_it_is", true,
     [](NetworkBuilder& b, int x) {
         const op::ConvTranspose2d op{
             4, 4, 2, 2, 1, 1, 2, 1, 1, 1, 1, 0, 0, numbers(10 * 4 * 16, -0.2F, 0.07F), numbers(8, 0, 0.1F)};
         return b.append(conv(10, 8, 3, 2, 1), {b.append(op, {normed(b, x)})});
     }},
    {"edges", true,
     [](NetworkBuilder& b, int x) {
         const int more = b.append(op::Pad{op::Pad::Mode::reflect, 1, 2, 3, 1}, {x});
         const int other =
             b.append(op::Pad{op::Pad::Mode::repeat, 0, 1, 1, 0}, {b.append(op::Crop{1, 2, 3, 1}, {more})});
         return b.append(op::Crop{0, 1, 1, 0}, {b.append(op::Pad{op::Pad::Mode::zeros, 1, 0, 0, 1},
                                                         {b.append(op::Crop{1, 0, 0, 1}, {other})})});
     }},
    {"ordered", false,
     [](NetworkBuilder& b, int x) {
         const int own = b.append(op::Gather{0}, {x, b.append(op::Argsort{0, true}, {x})});
         const int means = b.append(op::Reshape{{10}}, {b.append(op::GlobalMean{}, {x})});
         const int slices = b.append(op::Gather{0}, {own, b.append(op::Argsort{0}, {means})});
         return b.append(op::Multiply{}, {slices, b.append(op::Argmax{0}, {x})});
     }},
    {"matrices", false,
     [](NetworkBuilder& b, int x) {
         const int flat = b.append(op::Reshape{{10, product(Extent::rows(), Extent::columns()).value()}}, {x});
         const int shares = b.append(op::Softmax{-1}, {b.append(op::MatMul{true, 0.1F}, {flat, flat})});
         const int mixed = b.append(op::Transpose{{1, 0}}, {b.append(op::MatMul{}, {shares, flat})});
         const int made = b.append(op::Linear{numbers(60, -0.3F, 0.1F), numbers(6, 0, 0.1F)}, {mixed});
         return b.append(op::Reshape{{6, Extent::rows(), Extent::columns()}},
                         {b.append(op::Transpose{{1, 0}}, {made})});
     }},
    {"number_by_number_again", true,
     [](NetworkBuilder& b, int x) {
         const int root = b.append(op::Sqrt{}, {b.append(op::Abs{}, {x})});
         const int all = b.append(op::Exp{}, {b.append(op::Tanh{}, {b.append(op::Gelu{}, {root})})});
         return b.append(op::Multiply{}, {all, b.append(op::Constant{{10, 1, 1}, numbers(10, -1, 0.3F)}, {})});
     }},
    {"scaled_by_channel", true,
     [](NetworkBuilder& b, int x) {
         return b.append(op::ScaleShift{numbers(10, 0.5F, 0.2F), numbers(10, -0.1F, 0.1F)}, {normed(b, x)});
     }},
    {"crossed", false,
     [](NetworkBuilder& b, int x) {
         const int half = b.append(op::AveragePool{}, {x});
         const op::CrossAttention table{2, 4, 4, 2, 2, 2, 2, 0.5F, numbers(2 * 5 * 5, -0.5F, 0.2F)},
             whole{1, 0, 0, 0, 0, 0, 0, 0.5F, {}};
         const int y = b.append(table, {x, half, b.conv(half, 6, 1)});
         return b.append(whole, {y, b.conv(half, 6, 1), half});
     }},
    {"by_kind", false,
     [](NetworkBuilder& b, int x) {
         return b.append(op::CategoryAttention{2, 32, 0.5F}, {b.conv(x, 30, 1), b.append(op::Argmax{0}, {x})});
     }},
};

// A network of the case's layers, from 3 channels to twice the size.
inline Graph tensor_network(const TensorCase& wanted) {
    NetworkBuilder b(31, 3);
    const int last = wanted.layers(b, b.conv(0, 10));
    b.pixel_shuffle(b.conv(last, 12, 1, 0.5F), 2);
    return b.finish();
}

}  // namespace enlarge::test
