// SPDX-License-Identifier: Apache-2.0
// The vocabulary: one small struct per operation, which says what it computes. What else there is to know about each
// (its name, the shape of its result, what it reads) is one row of the table in traits.cpp.
//
// Pictures are channels x rows x columns; `axis` counts from the outermost side, negative from the innermost.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "graph/shape.hpp"
#include "graph/values.hpp"

namespace enlarge::op {

// A picture of 1 to 4 channels of the graph's own size, 0..1; or one number that is given with it, such as a time
// (channels 0; its shape is 1 x 1 x 1). Inputs come before all other nodes.
struct Input {
    int channels = 3;
    std::string name = "input";
    bool operator==(const Input&) const = default;
};

// Cross-correlation. Weights (out, in / groups, rows, columns); as many biases as output channels, never none. With
// `ragged` sides need not be such that the last window ends at the edge: what is left over is not read.
struct Conv2d {
    int kernel_h = 1, kernel_w = 1;
    int stride_h = 1, stride_w = 1;
    int dilation_h = 1, dilation_w = 1;
    int groups = 1;
    int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;  // zeros
    Values weights, bias;
    bool ragged = false;
    bool operator==(const Conv2d&) const = default;
    // The side of a square kernel at every pixel of its input, padded to keep the size: what most layers are. Else 0.
    [[nodiscard]] int same_kernel() const {
        const int pad = kernel_h / 2;
        const bool square = kernel_h == kernel_w && kernel_h % 2 == 1 && pad_top == pad && pad_left == pad &&
                            pad_bottom == pad && pad_right == pad;
        return square && stride_h == 1 && stride_w == 1 && dilation_h == 1 && dilation_w == 1 && groups == 1 ? kernel_h
                                                                                                             : 0;
    }
};

// x < 0 ? slopes[c] * x : x; one slope per channel.
struct Prelu {
    Values slopes;
    bool operator==(const Prelu&) const = default;
};

// x < 0 ? slope * x : x; slope 0 is ReLU.
struct LeakyRelu {
    float slope = 0;
    bool operator==(const LeakyRelu&) const = default;
};

// x / (1 + exp(-x)).
struct Silu {
    bool operator==(const Silu&) const = default;
};

// alpha * a + beta * b. Here and in other operations on two tensors a side of 1 stands for any number of equal values.
struct Add {
    float alpha = 1, beta = 1;
    bool operator==(const Add&) const = default;
};

// All inputs in order, along one axis: channels of pictures.
struct Concat {
    int axis = 0;
    bool operator==(const Concat&) const = default;
};

// Depth to space: channel c * f * f + i * f + j goes to pixel (i, j) of channel c.
struct PixelShuffle {
    int factor = 2;
    bool operator==(const PixelShuffle&) const = default;
};

// The inverse.
struct PixelUnshuffle {
    int factor = 2;
    bool operator==(const PixelUnshuffle&) const = default;
};

// Each pixel factor x factor times.
struct UpsampleNearest {
    int factor = 2;
    bool operator==(const UpsampleNearest&) const = default;
};

// x * scale[c] + shift[c]: a normalisation of the picture, not counted as trained.
struct ScaleShift {
    Values scale, shift;
    bool operator==(const ScaleShift&) const = default;
};

// Inputs (o, x): (o + x) * (1 / (1 + exp(-o)) - 0.5).
struct SpanGate {
    bool operator==(const SpanGate&) const = default;
};

// Numbers of the network itself as a tensor.
struct Constant {
    std::vector<int> sides;
    Values values;
    bool operator==(const Constant&) const = default;
};

// ---- products ----

// The transpose of a Conv2d: each pixel adds its multiple of the kernel to the result, `stride` apart; pads are cut
// off, `extra` rows and columns follow at the end. Weights (in, out / groups, rows, columns).
struct ConvTranspose2d {
    int kernel_h = 1, kernel_w = 1;
    int stride_h = 1, stride_w = 1;
    int dilation_h = 1, dilation_w = 1;
    int groups = 1;
    int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
    int extra_h = 0, extra_w = 0;
    Values weights, bias;
    bool operator==(const ConvTranspose2d&) const = default;
};

// Per-pixel kernels: inputs x (C, H, W) and k (G * kernel * kernel, H, W) or (G * kernel * kernel, 1, 1), where each of
// the G kernels serves C / G channels; zeros beyond the picture.
struct DynamicConv2d {
    int kernel = 3;
    bool operator==(const DynamicConv2d&) const = default;
};

// Along the innermost axis; weights (out, in).
struct Linear {
    Values weights, bias;
    bool operator==(const Linear&) const = default;
};

// scale * a * b, matrices in the two innermost axes; outer sides are equal. transpose_b: the rows of b are its columns.
struct MatMul {
    bool transpose_b = false;
    float scale = 1;
    bool operator==(const MatMul&) const = default;
};

// ---- number by number ----

// x * (1 + erf(x / sqrt(2))) / 2, or with tanh_form x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2.
struct Gelu {
    bool tanh_form = false;
    bool operator==(const Gelu&) const = default;
};
// x * tanh(log(1 + exp(x))).
struct Mish {
    bool operator==(const Mish&) const = default;
};
// 1 / (1 + exp(-x)).
struct Sigmoid {
    bool operator==(const Sigmoid&) const = default;
};
// x * min(max(x + 3, 0), 6) / 6.
struct HardSwish {
    bool operator==(const HardSwish&) const = default;
};
struct Tanh {
    bool operator==(const Tanh&) const = default;
};
struct Exp {
    bool operator==(const Exp&) const = default;
};
struct Sqrt {
    bool operator==(const Sqrt&) const = default;
};
struct Abs {
    bool operator==(const Abs&) const = default;
};
struct Clamp {
    float low = 0, high = 1;
    bool operator==(const Clamp&) const = default;
};
struct Multiply {
    bool operator==(const Multiply&) const = default;
};
struct Maximum {
    bool operator==(const Maximum&) const = default;
};

// ---- normalisations: (x - mean) / sqrt(variance + epsilon) * scale + shift over ... ----

// ... one axis, at each place of the others.
struct LayerNorm {
    int axis = 0;
    float epsilon = 1e-5F;
    Values scale, shift;
    bool operator==(const LayerNorm&) const = default;
};
// ... groups of neighbouring channels and all of their pixels.
struct GroupNorm {
    int groups = 1;
    float epsilon = 1e-5F;
    Values scale, shift;
    bool operator==(const GroupNorm&) const = default;
};
// ... all pixels of each channel.
struct InstanceNorm {
    float epsilon = 1e-5F;
    Values scale, shift;
    bool operator==(const InstanceNorm&) const = default;
};
// x / sqrt(mean of squares + epsilon) * scale over one axis.
struct RmsNorm {
    int axis = 0;
    float epsilon = 1e-6F;
    Values scale;
    bool operator==(const RmsNorm&) const = default;
};
// x / max(sqrt(sum of squares), epsilon) over one axis.
struct L2Norm {
    int axis = 0;
    float epsilon = 1e-12F;
    bool operator==(const L2Norm&) const = default;
};

// exp(x) / sum of exp(x) along one axis.
struct Softmax {
    int axis = -1;
    bool operator==(const Softmax&) const = default;
};

// ---- pooling ----

// Each channel's mean over all pixels: C x 1 x 1.
struct GlobalMean {
    bool operator==(const GlobalMean&) const = default;
};
// Means of kernel x kernel windows; padding counts as zeros, or not at all. Ragged as Conv2d.
struct AveragePool {
    int kernel = 2, stride = 2, pad = 0;
    bool count_padding = true;
    bool ragged = false;
    bool operator==(const AveragePool&) const = default;
};
// Ragged as Conv2d.
struct MaxPool {
    int kernel = 2, stride = 2, pad = 0;
    bool ragged = false;
    bool operator==(const MaxPool&) const = default;
};

// ---- attention. Queries, keys and values are channels of one picture, 3C in this order, each `heads` times C / heads;
// a token is a pixel. Result: C channels; the sum over the tokens j of its group of
// softmax_j(scale * q_i . k_j + bias[head][i][j]) * v_j. Bias: (heads, tokens of a group, tokens), or none. ----

// Groups are windows whose grid begins at (shift_h, shift_w): as after a cyclic shift, with those that it brought
// together from opposite edges masked. Bias may also be a table by offset: (heads, 2 * window_h - 1, 2 * window_w - 1).
// Sides are multiples of the window's, or the picture is continued to the right and at the bottom until they are
// multiples of `unit`: by zeros, or mirrored; what is computed there is cut off.
struct WindowAttention {
    enum class Beyond { nothing, zeros, reflect };
    int heads = 1;
    int window_h = 8, window_w = 8;
    int shift_h = 0, shift_w = 0;
    float scale = 1;
    Values bias;
    Beyond beyond = Beyond::nothing;
    int unit = 1;
    bool operator==(const WindowAttention&) const = default;
};
// Inputs q (C) and k, v (2C). Queries in windows; their keys in windows of `overlap` pixels around the same middle,
// zeros beyond the picture included. Bias: (heads, window^2, overlap^2).
struct OverlapAttention {
    int heads = 1;
    int window = 8, overlap = 12;
    float scale = 1;
    Values bias;
    bool operator==(const OverlapAttention&) const = default;
};
// Groups of window_h x window_w pixels that lie H / window_h rows and W / window_w columns apart.
struct GridAttention {
    int heads = 1;
    int window_h = 8, window_w = 8;
    float scale = 1;
    Values bias;
    bool operator==(const GridAttention&) const = default;
};
// Tokens are channels: softmax over channels d of temperature[head] * (q_c / |q_c|) . (k_d / |k_d|), times v_d, where
// vectors are over all pixels (window 0) or over those of each window.
struct ChannelAttention {
    int heads = 1;
    int window = 0;
    float epsilon = 1e-12F;
    Values temperature;
    bool operator==(const ChannelAttention&) const = default;
};

// Inputs q (C), k (C) and v (D channels), each C or D / heads times `heads`; result: D channels at q's pixels. Windows of
// q's pixels attend to the windows of k's pixels that lie in the same place: as many of each, of other sizes. The grid of
// q's begins at (shift_h, shift_w), that of k's at as much in proportion, rounded up; masked as in WindowAttention.
// Windows of 0: all attend to all, whatever the sizes. Bias: (heads, tokens of a window, tokens of the other), or a
// table by the difference of rows and of columns within the windows, (heads, window_h + key_h - 1, window_w + key_w - 1).
struct CrossAttention {
    int heads = 1;
    int window_h = 8, window_w = 8;
    int key_h = 8, key_w = 8;
    int shift_h = 0, shift_w = 0;
    float scale = 1;
    Values bias;
    bool operator==(const CrossAttention&) const = default;
};
// Inputs qkv (3C) and numbers (1 channel). Pixels in the order of their numbers, equals from top left on, make groups of
// `size`, or of all when there are fewer; the last is filled by the pixels before it, backwards, and those only answer.
struct CategoryAttention {
    int heads = 1;
    int size = 256;
    float scale = 1;
    bool operator==(const CategoryAttention&) const = default;
};

// ---- places ----

// To num / den of the size, or with a second input to the rows and columns of that.
struct Resize {
    enum class Mode { nearest, bilinear, bicubic } mode = Mode::bilinear;  // nearest: floor(y * in / out)
    bool align_corners = false;  // the middles of corner pixels stay; else their outer corners
    int num = 2, den = 1;
    float cubic = -0.75F;  // of bicubic
    bool operator==(const Resize&) const = default;
};
// Bilinear samples of x at places given for each pixel of the result: inputs x and (2 * groups) x rows x columns, for
// each group of x's channels the column and the row. -1 and 1 are the picture's edges, or with align_corners the
// middles of its outermost pixels. With `offsets` they are pixels of x, from the one that has the same place in x as the
// result's pixel has in the result: floor(column * columns of x / columns of the result).
struct GridSample {
    enum class Beyond { zeros, border } beyond = Beyond::zeros;
    bool align_corners = false;
    int groups = 1;
    bool offsets = false;
    bool operator==(const GridSample&) const = default;
};
struct Pad {
    enum class Mode { zeros, reflect, repeat } mode = Mode::zeros;  // reflect: the edge itself is not repeated
    int top = 0, left = 0, bottom = 0, right = 0;
    bool operator==(const Pad&) const = default;
};
struct Crop {
    int top = 0, left = 0, bottom = 0, right = 0;
    bool operator==(const Crop&) const = default;
};
// Pixel (y, x) goes to (y + rows, x + columns), around the edges.
struct Roll {
    int rows = 0, columns = 0;
    bool operator==(const Roll&) const = default;
};

// ---- order: numbers of places are floats ----

// The place of the largest along one axis, whose side becomes 1; the first of equals.
struct Argmax {
    int axis = 0;
    bool operator==(const Argmax&) const = default;
};
// The places in ascending order of what is there; equals stay in order.
struct Argsort {
    int axis = -1;
    bool descending = false;
    bool operator==(const Argsort&) const = default;
};
// Inputs x and places. One axis of places: x's slices in that order. As many axes as x: each number from its own place.
struct Gather {
    int axis = 0;
    bool operator==(const Gather&) const = default;
};

// ---- tensors as other tensors ----

// With `own_rows` and `own_columns` (not 0) the result is the same only for pictures of that size, and the graph is for
// those alone: Graph::own_size().
struct Reshape {
    Shape sides;
    int own_rows = 0, own_columns = 0;
    bool operator==(const Reshape&) const = default;
};
// Axis i of the result is axis order[i].
struct Transpose {
    std::vector<int> order;
    bool operator==(const Transpose&) const = default;
};
// begin, begin + step, ... before end; both from the end when negative. kEnd: all.
struct Slice {
    static constexpr int kEnd = 1 << 30;
    int axis = 0;
    int begin = 0, end = kEnd, step = 1;
    bool operator==(const Slice&) const = default;
};

}  // namespace enlarge::op

namespace enlarge {

using Operation =
    std::variant<op::Input, op::Conv2d, op::Prelu, op::LeakyRelu, op::Silu, op::Add, op::Concat, op::PixelShuffle,
                 op::PixelUnshuffle, op::UpsampleNearest, op::ScaleShift, op::SpanGate, op::Constant,
                 op::ConvTranspose2d, op::DynamicConv2d, op::Linear, op::MatMul, op::Gelu, op::Mish, op::Sigmoid,
                 op::Tanh, op::Exp, op::Sqrt, op::Abs, op::Clamp, op::Multiply, op::Maximum, op::LayerNorm,
                 op::GroupNorm, op::InstanceNorm, op::RmsNorm, op::L2Norm, op::Softmax, op::GlobalMean, op::AveragePool,
                 op::MaxPool, op::WindowAttention, op::OverlapAttention, op::GridAttention, op::ChannelAttention,
                 op::Resize, op::GridSample, op::Pad, op::Crop, op::Roll, op::Argmax, op::Argsort, op::Gather,
                 op::Reshape, op::Transpose, op::Slice, op::HardSwish, op::CrossAttention, op::CategoryAttention>;

}  // namespace enlarge
