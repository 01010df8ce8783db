// SPDX-License-Identifier: Apache-2.0
#include "graph/traits.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>

#include "graph/fields.hpp"

namespace enlarge {
namespace {

// Larger than anything that was ever trained.
constexpr int kMaxFactor = 64;
constexpr int kMaxKernel = 255;  // products of sizes stay far from overflow

using Inputs = std::span<const Shape* const>;
using Sides = std::vector<std::int64_t>;

Error misfit(const std::string& what) { return {Errc::format, what}; }
Error mismatch(std::int64_t found, const std::string& what, const std::string& expected) {
    return misfit(std::to_string(found) + " " + what + "; expected " + expected);
}
Result<void> expect_count(const Values& values, const char* what, std::int64_t expected) {
    if (values.count() != expected) return mismatch(values.count(), what, std::to_string(expected));
    return {};
}
Error too_large() { return {Errc::limit, "a result too large to be meant"}; }

// The number of channels of channels x rows x columns.
Result<std::int64_t> channels_of(const Shape& shape) {
    if (shape.size() != 3 || !shape[0].constant())
        return misfit("an input of " + text(shape) + "; expected channels x rows x columns");
    return shape[0].fixed;
}

// ---- shapes ----

Result<Shape> shape_input(const op::Input& op, Inputs) {
    if (op.channels == 0) return Shape{1, 1, 1};
    if (op.channels < 0 || op.channels > 4) return mismatch(op.channels, "channels", "1 to 4");
    return Shape{op.channels, Extent::rows(), Extent::columns()};
}

struct SameShape {
    template <class T>
    Result<Shape> operator()(const T&, Inputs in) const {
        return *in[0];
    }
};
constexpr SameShape same_shape;

// The number of places that a window of `kernel` taps has on a side that is padded by `pads` in all.
std::optional<Extent> window_places(const Extent& side, int kernel, int stride, int dilation, std::int64_t pads) {
    const std::int64_t last = side.fixed + pads - std::int64_t{dilation} * (kernel - 1) - 1;
    Extent moving = side;
    moving.fixed = 0;
    auto places = quotient(moving, stride);
    if (places) places->fixed = (last >= 0 ? last / stride : -((stride - 1 - last) / stride)) + 1;
    return places;
}

// The same on sides of any size.
std::optional<Extent> ragged_places(const Extent& side, int kernel, int stride, int dilation, std::int64_t pads) {
    auto places = sum(side, pads - std::int64_t{dilation} * (kernel - 1) - 1);
    if (places) places = floor_quotient(*places, stride);
    return places ? sum(*places, 1) : places;
}

Result<void> check_window(int kernel, int stride, int dilation, std::initializer_list<int> pads) {
    if (kernel < 1 || kernel > kMaxKernel) return mismatch(kernel, "taps", "1 to " + std::to_string(kMaxKernel));
    if (stride < 1 || stride > kMaxFactor) return mismatch(stride, "as stride", "1 to " + std::to_string(kMaxFactor));
    if (dilation < 1 || dilation > kMaxFactor)
        return mismatch(dilation, "as dilation", "1 to " + std::to_string(kMaxFactor));
    for (const int pad : pads)
        if (pad < 0 || pad > kMaxKernel)
            return mismatch(pad, "pixels of padding", "0 to " + std::to_string(kMaxKernel));
    return {};
}

Result<Shape> shape_conv2d(const op::Conv2d& op, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    TRY(check_window(op.kernel_h, op.stride_h, op.dilation_h, {op.pad_top, op.pad_bottom}));
    TRY(check_window(op.kernel_w, op.stride_w, op.dilation_w, {op.pad_left, op.pad_right}));
    const std::int64_t out = op.bias.count();
    if (out < 1) return misfit("0 biases");
    if (op.groups < 1 || channels % op.groups != 0 || out % op.groups != 0)
        return mismatch(op.groups, "groups",
                        "a divisor of " + std::to_string(channels) + " and " + std::to_string(out) + " channels");
    TRY(expect_count(op.weights, "weights", out * (channels / op.groups) * op.kernel_h * op.kernel_w));
    const auto places = op.ragged ? ragged_places : window_places;
    const auto rows = places((*in[0])[1], op.kernel_h, op.stride_h, op.dilation_h, op.pad_top + op.pad_bottom);
    const auto columns = places((*in[0])[2], op.kernel_w, op.stride_w, op.dilation_w, op.pad_left + op.pad_right);
    if (!rows || !columns) return too_large();
    return Shape{out, *rows, *columns};
}

Result<Shape> shape_prelu(const op::Prelu& op, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    TRY(expect_count(op.slopes, "slopes", channels));
    return *in[0];
}

Result<Shape> shape_scale_shift(const op::ScaleShift& op, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    TRY(expect_count(op.scale, "factors", channels));
    TRY(expect_count(op.shift, "shifts", channels));
    return *in[0];
}

Error inputs_differ(const Shape& a, const Shape& b) { return misfit("inputs differ: " + text(a) + " and " + text(b)); }

// Sides are equal, or one of them is 1; missing outer sides are 1 too.
Result<Shape> broadcast(const Shape& a, const Shape& b) {
    const Shape& longer = a.size() >= b.size() ? a : b;
    const Shape& shorter = a.size() >= b.size() ? b : a;
    Shape result = longer;
    const std::size_t outer = longer.size() - shorter.size();
    for (std::size_t i = 0; i < shorter.size(); ++i) {
        Extent& side = result[outer + i];
        if (side == shorter[i] || shorter[i] == Extent(1)) continue;
        if (side != Extent(1)) return inputs_differ(a, b);
        side = shorter[i];
    }
    return result;
}

struct Broadcast {
    template <class T>
    Result<Shape> operator()(const T&, Inputs in) const {
        return broadcast(*in[0], *in[1]);
    }
};
constexpr Broadcast broadcast_shapes;

Result<Shape> shape_span_gate(const op::SpanGate&, Inputs in) {
    if (*in[0] != *in[1]) return inputs_differ(*in[0], *in[1]);
    return *in[0];
}

Result<std::size_t> axis_of(int axis, const Shape& shape) {
    const int sides = static_cast<int>(shape.size());
    if (axis < -sides || axis >= sides) return misfit("axis " + std::to_string(axis) + " of " + text(shape));
    return static_cast<std::size_t>(axis < 0 ? axis + sides : axis);
}

Result<Shape> shape_concat(const op::Concat& op, Inputs in) {
    TRY(const std::size_t axis, axis_of(op.axis, *in[0]));
    Shape result = *in[0];
    for (std::size_t k = 1; k < in.size(); ++k) {
        Shape other = *in[k];
        if (other.size() != result.size()) return inputs_differ(*in[0], *in[k]);
        const auto joined = sum(result[axis], other[axis]);
        if (!joined) return too_large();
        other[axis] = result[axis];
        if (other != result) return inputs_differ(*in[0], *in[k]);
        result[axis] = *joined;
    }
    return result;
}

Result<void> check_factor(int factor) {
    if (factor < 2 || factor > kMaxFactor)
        return misfit("factor " + std::to_string(factor) + "; expected 2 to " + std::to_string(kMaxFactor));
    return {};
}

// A picture `factor` times as large.
Result<Shape> enlarged(Shape shape, int factor) {
    for (std::size_t side : {1, 2}) {
        const auto larger = product(shape[side], factor);
        if (!larger) return too_large();
        shape[side] = *larger;
    }
    return shape;
}

Result<Shape> shape_pixel_shuffle(const op::PixelShuffle& op, Inputs in) {
    TRY(check_factor(op.factor));
    TRY(const std::int64_t channels, channels_of(*in[0]));
    const int area = op.factor * op.factor;
    if (channels % area != 0) return mismatch(channels, "channels", "a multiple of " + std::to_string(area));
    TRY(Shape shape, enlarged(*in[0], op.factor));
    shape[0] = channels / area;
    return shape;
}

Result<Shape> shape_pixel_unshuffle(const op::PixelUnshuffle& op, Inputs in) {
    TRY(check_factor(op.factor));
    TRY(const std::int64_t channels, channels_of(*in[0]));
    const auto rows = quotient((*in[0])[1], op.factor), columns = quotient((*in[0])[2], op.factor);
    if (!rows || !columns) return misfit("a picture of " + text(*in[0]) + " in blocks of " + std::to_string(op.factor));
    return Shape{channels * op.factor * op.factor, *rows, *columns};
}

Result<Shape> shape_upsample_nearest(const op::UpsampleNearest& op, Inputs in) {
    TRY(check_factor(op.factor));
    TRY(channels_of(*in[0]));
    return enlarged(*in[0], op.factor);
}

Result<Shape> shape_constant(const op::Constant& op, Inputs) {
    Shape shape;
    std::int64_t count = 1;
    for (const int side : op.sides) {
        if (side < 1 || side > (1 << 24) || (count *= side) > (1 << 28))
            return mismatch(side, "as a side", "1 or more");
        shape.emplace_back(side);
    }
    TRY(expect_count(op.values, "numbers", count));
    return shape;
}

Result<Shape> shape_conv_transpose2d(const op::ConvTranspose2d& op, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    TRY(check_window(op.kernel_h, op.stride_h, op.dilation_h, {op.pad_top, op.pad_bottom, op.extra_h}));
    TRY(check_window(op.kernel_w, op.stride_w, op.dilation_w, {op.pad_left, op.pad_right, op.extra_w}));
    const std::int64_t out = op.bias.count();
    if (out < 1) return misfit("0 biases");
    if (op.groups < 1 || channels % op.groups != 0 || out % op.groups != 0)
        return mismatch(op.groups, "groups",
                        "a divisor of " + std::to_string(channels) + " and " + std::to_string(out) + " channels");
    TRY(expect_count(op.weights, "weights", channels * (out / op.groups) * op.kernel_h * op.kernel_w));
    const auto side = [](const Extent& from, int kernel, int stride, int dilation, int pads,
                         int extra) -> std::optional<Extent> {
        auto result = product(from, stride);
        return result ? sum(*result, dilation * (kernel - 1) + 1 + extra - stride - pads) : result;
    };
    const auto rows =
        side((*in[0])[1], op.kernel_h, op.stride_h, op.dilation_h, op.pad_top + op.pad_bottom, op.extra_h);
    const auto columns =
        side((*in[0])[2], op.kernel_w, op.stride_w, op.dilation_w, op.pad_left + op.pad_right, op.extra_w);
    if (!rows || !columns) return too_large();
    return Shape{out, *rows, *columns};
}

Result<Shape> shape_dynamic_conv2d(const op::DynamicConv2d& op, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    TRY(const std::int64_t numbers, channels_of(*in[1]));
    if (op.kernel < 1 || op.kernel % 2 == 0 || op.kernel > 63)
        return mismatch(op.kernel, "taps", "an odd number up to 63");
    const std::int64_t taps = std::int64_t{op.kernel} * op.kernel;
    if (numbers % taps != 0 || channels % (numbers / taps) != 0)
        return mismatch(numbers, "channels of kernels",
                        std::to_string(taps) + " times a divisor of " + std::to_string(channels));
    for (std::size_t side : {1, 2})
        if ((*in[1])[side] != (*in[0])[side] && (*in[1])[side] != Extent(1)) return inputs_differ(*in[0], *in[1]);
    return *in[0];
}

Result<Shape> shape_linear(const op::Linear& op, Inputs in) {
    if (in[0]->empty() || !in[0]->back().constant())
        return misfit("an input of " + text(*in[0]) + "; its innermost side must be constant");
    TRY(expect_count(op.weights, "weights", in[0]->back().fixed * op.bias.count()));
    Shape shape = *in[0];
    shape.back() = op.bias.count();
    return shape;
}

Result<Shape> shape_matmul(const op::MatMul& op, Inputs in) {
    const Shape &a = *in[0], &b = *in[1];
    const std::size_t n = a.size();
    const bool fits = n >= 2 && b.size() == n && a[n - 1] == (op.transpose_b ? b[n - 1] : b[n - 2]) &&
                      std::equal(a.begin(), a.end() - 2, b.begin());
    if (!fits) return inputs_differ(a, b);
    Shape shape = a;
    shape[n - 1] = op.transpose_b ? b[n - 2] : b[n - 1];
    return shape;
}

Result<void> expect_scales(const Shape& shape, std::size_t axis, std::initializer_list<const Values*> all) {
    if (!shape[axis].constant())
        return misfit("an input of " + text(shape) + ", whose axis " + std::to_string(axis) + " is not constant");
    for (const Values* values : all) TRY(expect_count(*values, "factors or shifts", shape[axis].fixed));
    return {};
}

Result<Shape> shape_layer_norm(const op::LayerNorm& op, Inputs in) {
    TRY(const std::size_t axis, axis_of(op.axis, *in[0]));
    TRY(expect_scales(*in[0], axis, {&op.scale, &op.shift}));
    return *in[0];
}

Result<Shape> shape_rms_norm(const op::RmsNorm& op, Inputs in) {
    TRY(const std::size_t axis, axis_of(op.axis, *in[0]));
    TRY(expect_scales(*in[0], axis, {&op.scale}));
    return *in[0];
}

Result<Shape> shape_group_norm(const op::GroupNorm& op, Inputs in) {
    TRY(axis_of(0, *in[0]));
    TRY(expect_scales(*in[0], 0, {&op.scale, &op.shift}));
    if (op.groups < 1 || in[0]->front().fixed % op.groups != 0)
        return mismatch(op.groups, "groups", "a divisor of " + std::to_string(in[0]->front().fixed) + " channels");
    return *in[0];
}

Result<Shape> shape_instance_norm(const op::InstanceNorm& op, Inputs in) {
    TRY(axis_of(0, *in[0]));
    TRY(expect_scales(*in[0], 0, {&op.scale, &op.shift}));
    return *in[0];
}

struct AlongAxis {
    template <class T>
    Result<Shape> operator()(const T& op, Inputs in) const {
        TRY(axis_of(op.axis, *in[0]));
        return *in[0];
    }
};
constexpr AlongAxis along_axis;

Result<Shape> shape_global_mean(const op::GlobalMean&, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    return Shape{channels, 1, 1};
}

struct Pooled {
    template <class T>
    Result<Shape> operator()(const T& op, Inputs in) const {
        TRY(channels_of(*in[0]));
        TRY(check_window(op.kernel, op.stride, 1, {op.pad}));
        if (op.pad >= op.kernel)
            return mismatch(op.pad, "pixels of padding", "fewer than the kernel's " + std::to_string(op.kernel));
        Shape shape = *in[0];
        for (std::size_t side : {1, 2}) {
            const auto count = op.ragged ? ragged_places : window_places;
            const auto places = count(shape[side], op.kernel, op.stride, 1, 2 * op.pad);
            if (!places) return too_large();
            shape[side] = *places;
        }
        return shape;
    }
};
constexpr Pooled pooled;

// What three times (or `parts` times) as many channels hold for each head.
Result<std::int64_t> attention_channels(const Shape& shape, int parts, int heads) {
    TRY(const std::int64_t all, channels_of(shape));
    if (heads < 1 || all % (std::int64_t{parts} * heads) != 0)
        return mismatch(all, "channels",
                        "a multiple of " + std::to_string(parts) + " times " + std::to_string(heads) + " heads");
    return all / parts;
}

Result<void> check_window_side(int window, const Extent& side) {
    if (window < 1 || window > 256) return mismatch(window, "pixels as a window's side", "1 to 256");
    if (side.fixed % window != 0)
        return misfit("a side of " + side.text() + "; expected a multiple of " + std::to_string(window));
    return {};
}

Result<void> check_bias(const Values& bias, std::int64_t heads, std::int64_t queries, std::int64_t keys,
                        std::int64_t table) {
    const std::int64_t all = heads * queries * keys;
    if (bias && bias.count() != all && bias.count() != heads * table)
        return mismatch(bias.count(), "biases", std::to_string(all) + " or none");
    return {};
}

Result<Shape> shape_window_attention(const op::WindowAttention& op, Inputs in) {
    TRY(const std::int64_t channels, attention_channels(*in[0], 3, op.heads));
    const bool continued = op.beyond != op::WindowAttention::Beyond::nothing;
    TRY(check_window_side(op.window_h, continued ? Extent(op.window_h) : (*in[0])[1]));
    TRY(check_window_side(op.window_w, continued ? Extent(op.window_w) : (*in[0])[2]));
    if (continued && (op.unit < 1 || op.unit > 256 || op.unit % op.window_h != 0 || op.unit % op.window_w != 0))
        return mismatch(op.unit, "pixels as the unit of sides", "a multiple of the window's, up to 256");
    if (op.shift_h < 0 || op.shift_h >= op.window_h)
        return mismatch(op.shift_h, "rows of shift", "less than the window's side");
    if (op.shift_w < 0 || op.shift_w >= op.window_w)
        return mismatch(op.shift_w, "columns of shift", "less than the window's side");
    const std::int64_t tokens = std::int64_t{op.window_h} * op.window_w;
    TRY(check_bias(op.bias, op.heads, tokens, tokens, (2 * op.window_h - 1) * (2 * op.window_w - 1)));
    return Shape{channels, (*in[0])[1], (*in[0])[2]};
}

Result<Shape> shape_overlap_attention(const op::OverlapAttention& op, Inputs in) {
    TRY(const std::int64_t channels, attention_channels(*in[0], 1, op.heads));
    TRY(const std::int64_t same, attention_channels(*in[1], 2, op.heads));
    if (same != channels || (*in[0])[1] != (*in[1])[1] || (*in[0])[2] != (*in[1])[2])
        return inputs_differ(*in[0], *in[1]);
    for (std::size_t side : {1, 2}) TRY(check_window_side(op.window, (*in[0])[side]));
    if (op.overlap < op.window || op.overlap > 512 || (op.overlap - op.window) % 2 != 0)
        return mismatch(op.overlap, "pixels as an overlapping window's side",
                        std::to_string(op.window) + " and an even number more");
    const std::int64_t queries = std::int64_t{op.window} * op.window, keys = std::int64_t{op.overlap} * op.overlap;
    TRY(check_bias(op.bias, op.heads, queries, keys, queries * keys));
    return *in[0];
}

Result<Shape> shape_grid_attention(const op::GridAttention& op, Inputs in) {
    TRY(const std::int64_t channels, attention_channels(*in[0], 3, op.heads));
    TRY(check_window_side(op.window_h, (*in[0])[1]));
    TRY(check_window_side(op.window_w, (*in[0])[2]));
    const std::int64_t tokens = std::int64_t{op.window_h} * op.window_w;
    TRY(check_bias(op.bias, op.heads, tokens, tokens, tokens * tokens));
    return Shape{channels, (*in[0])[1], (*in[0])[2]};
}

Result<Shape> shape_channel_attention(const op::ChannelAttention& op, Inputs in) {
    TRY(const std::int64_t channels, attention_channels(*in[0], 3, op.heads));
    TRY(expect_count(op.temperature, "temperatures", op.heads));
    if (op.window != 0)
        for (std::size_t side : {1, 2}) TRY(check_window_side(op.window, (*in[0])[side]));
    return Shape{channels, (*in[0])[1], (*in[0])[2]};
}

// One axis of both windows of a CrossAttention.
Result<void> check_windows(int window, int key, int shift, const Extent& queries, const Extent& keys) {
    TRY(check_window_side(window, queries));
    TRY(check_window_side(key, keys));
    if (shift < 0 || shift >= window)
        return mismatch(shift, "pixels of shift", "less than the window's " + std::to_string(window));
    const auto a = product(queries, key), b = product(keys, window);
    if (!a || !b || *a != *b)
        return misfit("windows of " + std::to_string(window) + " on " + queries.text() + " and of " +
                      std::to_string(key) + " on " + keys.text() + "; expected as many of both");
    return {};
}

Result<Shape> shape_cross_attention(const op::CrossAttention& op, Inputs in) {
    TRY(const std::int64_t channels, attention_channels(*in[0], 1, op.heads));
    TRY(const std::int64_t same, attention_channels(*in[1], 1, op.heads));
    TRY(const std::int64_t values, attention_channels(*in[2], 1, op.heads));
    const Shape &q = *in[0], &k = *in[1], &v = *in[2];
    if (same != channels) return inputs_differ(q, k);
    if (k[1] != v[1] || k[2] != v[2]) return inputs_differ(k, v);
    if (op.window_h == 0 && op.window_w == 0) {
        if (op.bias) return misfit("biases of windows without sides");
        return Shape{values, q[1], q[2]};
    }
    TRY(check_windows(op.window_h, op.key_h, op.shift_h, q[1], k[1]));
    TRY(check_windows(op.window_w, op.key_w, op.shift_w, q[2], k[2]));
    TRY(check_bias(op.bias, op.heads, std::int64_t{op.window_h} * op.window_w, std::int64_t{op.key_h} * op.key_w,
                   std::int64_t{op.window_h + op.key_h - 1} * (op.window_w + op.key_w - 1)));
    return Shape{values, q[1], q[2]};
}

Result<Shape> shape_category_attention(const op::CategoryAttention& op, Inputs in) {
    TRY(const std::int64_t channels, attention_channels(*in[0], 3, op.heads));
    TRY(const std::int64_t numbers, channels_of(*in[1]));
    if (numbers != 1) return mismatch(numbers, "channels of numbers", "1");
    if ((*in[0])[1] != (*in[1])[1] || (*in[0])[2] != (*in[1])[2]) return inputs_differ(*in[0], *in[1]);
    if (op.size < 1 || op.size > (1 << 16)) return mismatch(op.size, "pixels of a group", "1 to 65536");
    return Shape{channels, (*in[0])[1], (*in[0])[2]};
}

Result<Shape> shape_resize(const op::Resize& op, Inputs in) {
    TRY(channels_of(*in[0]));
    Shape shape = *in[0];
    if (in.size() == 2) {
        TRY(channels_of(*in[1]));
        shape[1] = (*in[1])[1];
        shape[2] = (*in[1])[2];
        return shape;
    }
    if (op.num < 1 || op.den < 1 || op.num > 4096 || op.den > 4096)
        return misfit("a factor of " + std::to_string(op.num) + "/" + std::to_string(op.den));
    for (std::size_t side : {1, 2}) {
        auto larger = product(shape[side], op.num);
        if (larger) larger = quotient(*larger, op.den);
        if (!larger)
            return misfit("a picture of " + text(shape) + " times " + std::to_string(op.num) + "/" +
                          std::to_string(op.den));
        shape[side] = *larger;
    }
    return shape;
}

Result<Shape> shape_grid_sample(const op::GridSample& op, Inputs in) {
    TRY(const std::int64_t channels, channels_of(*in[0]));
    TRY(const std::int64_t places, channels_of(*in[1]));
    if (op.groups < 1 || channels % op.groups != 0)
        return mismatch(op.groups, "groups", "a divisor of " + std::to_string(channels) + " channels");
    if (places != 2 * op.groups) return mismatch(places, "channels of places", std::to_string(2 * op.groups));
    return Shape{channels, (*in[1])[1], (*in[1])[2]};
}

// Sides changed by so many rows and columns.
Result<Shape> changed(Shape shape, int rows, int columns) {
    const auto h = sum(shape[1], rows), w = sum(shape[2], columns);
    if (!h || !w) return too_large();
    shape[1] = *h;
    shape[2] = *w;
    return shape;
}

Result<Shape> shape_pad(const op::Pad& op, Inputs in) {
    TRY(channels_of(*in[0]));
    TRY(check_window(1, 1, 1, {op.top, op.left, op.bottom, op.right}));
    return changed(*in[0], op.top + op.bottom, op.left + op.right);
}

Result<Shape> shape_crop(const op::Crop& op, Inputs in) {
    TRY(channels_of(*in[0]));
    TRY(check_window(1, 1, 1, {op.top, op.left, op.bottom, op.right}));
    return changed(*in[0], -op.top - op.bottom, -op.left - op.right);
}

Result<Shape> shape_roll(const op::Roll& op, Inputs in) {
    TRY(channels_of(*in[0]));
    if (std::abs(op.rows) > kMaxKernel || std::abs(op.columns) > kMaxKernel)
        return misfit("a roll by more than " + std::to_string(kMaxKernel));
    return *in[0];
}

Result<Shape> shape_argmax(const op::Argmax& op, Inputs in) {
    TRY(const std::size_t axis, axis_of(op.axis, *in[0]));
    Shape shape = *in[0];
    shape[axis] = 1;
    return shape;
}

Result<Shape> shape_gather(const op::Gather& op, Inputs in) {
    TRY(const std::size_t axis, axis_of(op.axis, *in[0]));
    Shape shape = *in[0];
    if (in[1]->size() == 1) {
        shape[axis] = in[1]->front();
        return shape;
    }
    Shape others = *in[1];
    if (others.size() == shape.size()) others[axis] = shape[axis];
    if (others != shape) return inputs_differ(*in[0], *in[1]);
    return *in[1];
}

Result<Shape> shape_reshape(const op::Reshape& op, Inputs in) {
    if (op.own_rows > 0 && op.own_columns > 0) {
        const Size own{op.own_columns, op.own_rows};
        const auto given = volume_at(*in[0], own), wanted = volume_at(op.sides, own);
        if (!given || given != wanted || *given < 1)
            return misfit("a reshape of " + text(*in[0]) + " to " + text(op.sides) + " of a picture of " +
                          std::to_string(own.width) + "x" + std::to_string(own.height));
        return op.sides;
    }
    const auto from = volume(*in[0]), to = volume(op.sides);
    if (!from || !to || *from != *to) return misfit("a reshape of " + text(*in[0]) + " to " + text(op.sides));
    return op.sides;
}

Result<Shape> shape_transpose(const op::Transpose& op, Inputs in) {
    Shape shape;
    std::vector<bool> taken(in[0]->size(), false);
    for (const int axis : op.order) {
        if (axis < 0 || static_cast<std::size_t>(axis) >= taken.size() || taken[static_cast<std::size_t>(axis)]) break;
        taken[static_cast<std::size_t>(axis)] = true;
        shape.push_back((*in[0])[static_cast<std::size_t>(axis)]);
    }
    if (shape.size() != in[0]->size() || op.order.size() != shape.size())
        return misfit("an order that is none of " + text(*in[0]));
    return shape;
}

Result<Shape> shape_slice(const op::Slice& op, Inputs in) {
    TRY(const std::size_t axis, axis_of(op.axis, *in[0]));
    Shape shape = *in[0];
    const Extent whole = shape[axis];
    if (op.step < 1 || op.step > kMaxFactor) return mismatch(op.step, "as step", "1 to " + std::to_string(kMaxFactor));
    std::optional<Extent> begin = Extent(op.begin), end = Extent(op.end);
    if (op.begin < 0) begin = sum(whole, op.begin);
    if (op.end == op::Slice::kEnd)
        end = whole;
    else if (op.end < 0)
        end = sum(whole, op.end);
    const auto length = begin && end ? sum(*end, product(*begin, -1).value_or(Extent())) : std::nullopt;
    if (!length) return too_large();
    if (length->constant() && (length->fixed < 1 || (whole.constant() && end->constant() && end->fixed > whole.fixed)))
        return misfit("a slice of " + length->text() + " from " + text(*in[0]));
    const auto places = window_places(*length, 1, op.step, 1, 0);
    if (!places) return too_large();
    shape[axis] = *places;
    return shape;
}

// ---- what is read ----

struct ReadsOwn {
    template <class T>
    Reads operator()(const T&, std::size_t) const {
        return {};
    }
};
constexpr ReadsOwn reads_own;  // the same place of each input

ReadWindow taps(int kernel, int stride, int dilation, int pad) {
    return {.mul = stride, .low = -pad, .high = (kernel - 1) * dilation - pad};
}

Reads reads_conv2d(const op::Conv2d& op, std::size_t) {
    return {.rows = taps(op.kernel_h, op.stride_h, op.dilation_h, op.pad_top),
            .columns = taps(op.kernel_w, op.stride_w, op.dilation_w, op.pad_left)};
}

struct ReadsSmaller {  // an input that is `factor` times as small
    template <class T>
    Reads operator()(const T& op, std::size_t) const {
        return {.rows = {.div = op.factor}, .columns = {.div = op.factor}};
    }
};
constexpr ReadsSmaller reads_smaller;

Reads reads_pixel_unshuffle(const op::PixelUnshuffle& op, std::size_t) {
    const ReadWindow block{.mul = op.factor, .high = op.factor - 1};
    return {.rows = block, .columns = block};
}

struct ReadsWhole {
    template <class T>
    Reads operator()(const T&, std::size_t) const {
        return {.kind = Reads::Kind::whole};
    }
};
constexpr ReadsWhole reads_whole;

// Along an axis: only channels of the same place are read along the outermost.
struct ReadsAlongAxis {
    template <class T>
    Reads operator()(const T& op, std::size_t input) const {
        return op.axis == 0 || op.axis == -3 ? Reads{} : reads_whole(op, input);
    }
};
constexpr ReadsAlongAxis reads_along_axis;

struct ReadsGathered {  // the first input anywhere, the second at its own place
    template <class T>
    Reads operator()(const T&, std::size_t input) const {
        return {.kind = input == 0 ? Reads::Kind::gather : Reads::Kind::window};
    }
};
constexpr ReadsGathered reads_gathered;

// Pixel y of the result gets its share from every input pixel i with y = i * stride - pad + tap * dilation.
ReadWindow transposed_taps(int kernel, int stride, int dilation, int pad) {
    return {.div = stride, .low = pad - (kernel - 1) * dilation + stride - 1, .high = pad};
}

Reads reads_conv_transpose2d(const op::ConvTranspose2d& op, std::size_t) {
    return {.rows = transposed_taps(op.kernel_h, op.stride_h, op.dilation_h, op.pad_top),
            .columns = transposed_taps(op.kernel_w, op.stride_w, op.dilation_w, op.pad_left)};
}

Reads reads_dynamic_conv2d(const op::DynamicConv2d& op, std::size_t input) {
    if (input == 1) return {};
    const ReadWindow window = taps(op.kernel, 1, 1, op.kernel / 2);
    return {.rows = window, .columns = window};
}

struct ReadsPool {
    template <class T>
    Reads operator()(const T& op, std::size_t) const {
        const ReadWindow window = taps(op.kernel, op.stride, 1, op.pad);
        return {.rows = window, .columns = window};
    }
};
constexpr ReadsPool reads_pool;

Reads reads_window_attention(const op::WindowAttention& op, std::size_t input) {
    if (op.beyond != op::WindowAttention::Beyond::nothing) return reads_whole(op, input);
    return {.rows = {.block = op.window_h, .origin = op.shift_h},
            .columns = {.block = op.window_w, .origin = op.shift_w}};
}

Reads reads_overlap_attention(const op::OverlapAttention& op, std::size_t input) {
    const int beyond = input == 0 ? 0 : (op.overlap - op.window) / 2;
    const ReadWindow window{.low = -beyond, .high = beyond, .block = op.window};
    return {.rows = window, .columns = window};
}

Reads reads_channel_attention(const op::ChannelAttention& op, std::size_t input) {
    if (op.window == 0) return reads_whole(op, input);
    return {.rows = {.block = op.window}, .columns = {.block = op.window}};
}

// Keys lie in the same window, whose sides are in proportion.
Reads reads_cross_attention(const op::CrossAttention& op, std::size_t input) {
    if (op.window_h == 0) return reads_whole(op, input);
    const auto window = [&](int side, int key, int shift) -> ReadWindow {
        if (input == 0) return {.block = side, .origin = shift};
        const int rounded = shift * key % side == 0 ? 0 : side;
        return {.mul = key, .div = side, .high = std::max(0, key - side) + rounded, .block = side, .origin = shift};
    };
    return {.rows = window(op.window_h, op.key_h, op.shift_h), .columns = window(op.window_w, op.key_w, op.shift_w)};
}

// Place y of the result is (y + 1/2) * den / num - 1/2 in the input, where corners are not aligned.
Reads reads_resize(const op::Resize& op, std::size_t input) {
    using Mode = op::Resize::Mode;
    if (input == 1 || op.align_corners) return reads_whole(op, input);
    ReadWindow window{.mul = op.den, .div = op.num};
    if (op.mode != Mode::nearest) {
        const int before = op.mode == Mode::bicubic ? 1 : 0, after = op.mode == Mode::bicubic ? 2 : 1;
        window = {.mul = 2 * op.den,
                  .div = 2 * op.num,
                  .low = op.den - op.num - 2 * op.num * before,
                  .high = op.den - op.num + 2 * op.num * after};
    }
    return {.rows = window, .columns = window};
}

// Moved by so many pixels. Reflected pixels lie as far from the edge as those that they stand for.
Reads reads_moved(int rows, int columns) {
    return {.rows = {.low = rows, .high = rows}, .columns = {.low = columns, .high = columns}};
}
Reads reads_pad(const op::Pad& op, std::size_t) { return reads_moved(-op.top, -op.left); }
Reads reads_crop(const op::Crop& op, std::size_t) { return reads_moved(op.top, op.left); }

// ---- multiplications ----

struct NoMacs {
    template <class T>
    double operator()(const T&, std::span<const Sides>, const Sides&) const {
        return 0;
    }
};
constexpr NoMacs no_macs;

double macs_conv2d(const op::Conv2d& op, std::span<const Sides>, const Sides& out) {
    return static_cast<double>(op.weights.count()) * static_cast<double>(out[1]) * static_cast<double>(out[2]);
}

double product_of(const Sides& sides) {
    double product = 1;
    for (const std::int64_t side : sides) product *= static_cast<double>(side);
    return product;
}

double macs_conv_transpose2d(const op::ConvTranspose2d& op, std::span<const Sides> in, const Sides&) {
    return static_cast<double>(op.weights.count()) * static_cast<double>(in[0][1]) * static_cast<double>(in[0][2]);
}
double macs_dynamic_conv2d(const op::DynamicConv2d& op, std::span<const Sides>, const Sides& out) {
    return product_of(out) * op.kernel * op.kernel;
}
double macs_linear(const op::Linear&, std::span<const Sides> in, const Sides& out) {
    return product_of(out) * static_cast<double>(in[0].back());
}
double macs_matmul(const op::MatMul&, std::span<const Sides> in, const Sides& out) {
    return product_of(out) * static_cast<double>(in[0].back());
}
// Each number of the result takes part in two products with each of the keys.
double macs_window_attention(const op::WindowAttention& op, std::span<const Sides>, const Sides& out) {
    return 2.0 * op.window_h * op.window_w * product_of(out);
}
double macs_overlap_attention(const op::OverlapAttention& op, std::span<const Sides>, const Sides& out) {
    return 2.0 * op.overlap * op.overlap * product_of(out);
}
double macs_grid_attention(const op::GridAttention& op, std::span<const Sides>, const Sides& out) {
    return 2.0 * op.window_h * op.window_w * product_of(out);
}
double macs_cross_attention(const op::CrossAttention& op, std::span<const Sides> in, const Sides& out) {
    const double keys = op.window_h ? 1.0 * op.key_h * op.key_w
                                    : static_cast<double>(in[1][1]) * static_cast<double>(in[1][2]);
    return keys * (product_of(out) + product_of(in[0]));
}
double macs_category_attention(const op::CategoryAttention& op, std::span<const Sides>, const Sides& out) {
    return 2.0 * op.size * product_of(out);
}
double macs_channel_attention(const op::ChannelAttention& op, std::span<const Sides>, const Sides& out) {
    return 2.0 * static_cast<double>(out[0]) / op.heads * product_of(out);
}

// ---- multiples ----

// What the picture's sides must be a multiple of for a side of the result to be one of `window`.
std::int64_t multiple_for(const Extent& side, std::int64_t window) {
    const std::int64_t factor = side.h + side.w;
    return side.constant() || factor < 1 ? 1 : side.den * window / std::gcd(side.den * window, factor);
}

std::int64_t multiple_window_attention(const op::WindowAttention& op, const Shape& out) {
    if (op.beyond != op::WindowAttention::Beyond::nothing) return 1;
    return std::lcm(multiple_for(out[1], op.window_h), multiple_for(out[2], op.window_w));
}
std::int64_t multiple_overlap_attention(const op::OverlapAttention& op, const Shape& out) {
    return std::lcm(multiple_for(out[1], op.window), multiple_for(out[2], op.window));
}
std::int64_t multiple_grid_attention(const op::GridAttention& op, const Shape& out) {
    return std::lcm(multiple_for(out[1], op.window_h), multiple_for(out[2], op.window_w));
}
std::int64_t multiple_cross_attention(const op::CrossAttention& op, const Shape& out) {
    return op.window_h == 0 ? 1 : std::lcm(multiple_for(out[1], op.window_h), multiple_for(out[2], op.window_w));
}
std::int64_t multiple_channel_attention(const op::ChannelAttention& op, const Shape& out) {
    return op.window == 0 ? 1 : std::lcm(multiple_for(out[1], op.window), multiple_for(out[2], op.window));
}

struct AnySize {
    template <class T>
    std::int64_t operator()(const T&, const Shape&) const {
        return 1;
    }
};
constexpr AnySize any_size;

// ---- the table ----

struct Names {
    std::string_view name, onnx;
    int least_inputs = 1, most_inputs = 1;
    bool trained = true, commutative = false;
};

struct Row {
    std::size_t index;
    OpTraits traits;
};

template <class T, auto Shapes, auto ReadsRule, auto Macs = no_macs, auto Multiple = any_size>
constexpr Row row(const Names& names) {
    return {Operation(std::in_place_type<T>).index(),
            {names.name, names.onnx, names.least_inputs, names.most_inputs, names.trained, names.commutative,
             [](const Operation& op, Inputs in) -> Result<Shape> { return Shapes(std::get<T>(op), in); },
             [](const Operation& op, std::size_t input) -> Reads { return ReadsRule(std::get<T>(op), input); },
             [](const Operation& op, std::span<const Sides> in, const Sides& out) -> double {
                 return Macs(std::get<T>(op), in, out);
             },
             [](const Operation& op, const Shape& out) -> std::int64_t { return Multiple(std::get<T>(op), out); }}};
}

constexpr int kMany = 1 << 16;

const Row kRows[] = {
    row<op::Input, shape_input, reads_own>({"input", "", 0, 0}),
    row<op::Conv2d, shape_conv2d, reads_conv2d, macs_conv2d>({"conv2d", "Conv"}),
    row<op::Prelu, shape_prelu, reads_own>({"prelu", "PRelu"}),
    row<op::LeakyRelu, same_shape, reads_own>({"leaky_relu", "LeakyRelu"}),
    row<op::Silu, same_shape, reads_own>({"silu", "Sigmoid"}),
    row<op::Add, broadcast_shapes, reads_own>({"add", "Add", 2, 2, true, true}),
    row<op::Concat, shape_concat, reads_along_axis>({"concat", "Concat", 2, kMany}),
    row<op::PixelShuffle, shape_pixel_shuffle, reads_smaller>({"pixel_shuffle", "DepthToSpace"}),
    row<op::PixelUnshuffle, shape_pixel_unshuffle, reads_pixel_unshuffle>({"pixel_unshuffle", "Conv"}),
    row<op::UpsampleNearest, shape_upsample_nearest, reads_smaller>({"upsample_nearest", "Resize"}),
    row<op::ScaleShift, shape_scale_shift, reads_own>({"scale_shift", "Mul", 1, 1, false}),
    row<op::SpanGate, shape_span_gate, reads_own>({"span_gate", "Sigmoid", 2, 2}),
    row<op::Constant, shape_constant, reads_own>({"constant", "Identity", 0, 0}),
    row<op::ConvTranspose2d, shape_conv_transpose2d, reads_conv_transpose2d, macs_conv_transpose2d>(
        {"conv_transpose2d", "ConvTranspose"}),
    row<op::DynamicConv2d, shape_dynamic_conv2d, reads_dynamic_conv2d, macs_dynamic_conv2d>(
        {"dynamic_conv2d", "Mul", 2, 2}),
    row<op::Linear, shape_linear, reads_whole, macs_linear>({"linear", "MatMul"}),
    row<op::MatMul, shape_matmul, reads_whole, macs_matmul>({"matmul", "MatMul", 2, 2}),
    row<op::Gelu, same_shape, reads_own>({"gelu", "Erf"}),
    row<op::Mish, same_shape, reads_own>({"mish", "Softplus"}),
    row<op::Sigmoid, same_shape, reads_own>({"sigmoid", "Sigmoid"}),
    row<op::HardSwish, same_shape, reads_own>({"hard_swish", "HardSwish"}),
    row<op::Tanh, same_shape, reads_own>({"tanh", "Tanh"}),
    row<op::Exp, same_shape, reads_own>({"exp", "Exp"}),
    row<op::Sqrt, same_shape, reads_own>({"sqrt", "Sqrt"}),
    row<op::Abs, same_shape, reads_own>({"abs", "Abs"}),
    row<op::Clamp, same_shape, reads_own>({"clamp", "Clip"}),
    row<op::Multiply, broadcast_shapes, reads_own>({"multiply", "Mul", 2, 2, true, true}),
    row<op::Maximum, broadcast_shapes, reads_own>({"maximum", "Max", 2, 2, true, true}),
    row<op::LayerNorm, shape_layer_norm, reads_along_axis>({"layer_norm", "LayerNormalization"}),
    row<op::GroupNorm, shape_group_norm, reads_whole>({"group_norm", "InstanceNormalization"}),
    row<op::InstanceNorm, shape_instance_norm, reads_whole>({"instance_norm", "InstanceNormalization"}),
    row<op::RmsNorm, shape_rms_norm, reads_along_axis>({"rms_norm", "ReduceMean"}),
    row<op::L2Norm, along_axis, reads_along_axis>({"l2_norm", "ReduceL2"}),
    row<op::Softmax, along_axis, reads_along_axis>({"softmax", "Softmax"}),
    row<op::GlobalMean, shape_global_mean, reads_whole>({"global_mean", "GlobalAveragePool"}),
    row<op::AveragePool, pooled, reads_pool>({"average_pool", "AveragePool"}),
    row<op::MaxPool, pooled, reads_pool>({"max_pool", "MaxPool"}),
    row<op::WindowAttention, shape_window_attention, reads_window_attention, macs_window_attention,
        multiple_window_attention>({"window_attention", "Softmax"}),
    row<op::OverlapAttention, shape_overlap_attention, reads_overlap_attention, macs_overlap_attention,
        multiple_overlap_attention>({"overlap_attention", "Softmax", 2, 2}),
    row<op::GridAttention, shape_grid_attention, reads_whole, macs_grid_attention, multiple_grid_attention>(
        {"grid_attention", "Softmax"}),
    row<op::ChannelAttention, shape_channel_attention, reads_channel_attention, macs_channel_attention,
        multiple_channel_attention>({"channel_attention", "Softmax"}),
    row<op::CrossAttention, shape_cross_attention, reads_cross_attention, macs_cross_attention,
        multiple_cross_attention>({"cross_attention", "Softmax", 3, 3}),
    row<op::CategoryAttention, shape_category_attention, reads_whole, macs_category_attention>(
        {"category_attention", "TopK", 2, 2}),
    row<op::Resize, shape_resize, reads_resize>({"resize", "Resize", 1, 2}),
    row<op::GridSample, shape_grid_sample, reads_gathered>({"grid_sample", "GridSample", 2, 2}),
    row<op::Pad, shape_pad, reads_pad>({"pad", "Pad"}),
    row<op::Crop, shape_crop, reads_crop>({"crop", "Slice"}),
    row<op::Roll, shape_roll, reads_whole>({"roll", "Slice"}),
    row<op::Argmax, shape_argmax, reads_along_axis>({"argmax", "ArgMax"}),
    row<op::Argsort, along_axis, reads_along_axis>({"argsort", "TopK"}),
    row<op::Gather, shape_gather, reads_gathered>({"gather", "GatherElements", 2, 2}),
    row<op::Reshape, shape_reshape, reads_whole>({"reshape", "Reshape"}),
    row<op::Transpose, shape_transpose, reads_whole>({"transpose", "Transpose"}),
    row<op::Slice, shape_slice, reads_along_axis>({"slice", "Slice"}),
};

using Table = std::array<OpTraits, std::variant_size_v<Operation>>;
static_assert(std::size(kRows) == std::variant_size_v<Operation>, "each operation has one row");

Table in_order() {
    Table table{};
    for (const Row& row : kRows) table[row.index] = row.traits;
    return table;
}

}  // namespace

const OpTraits& traits(const Operation& op) {
    static const Table table = in_order();
    return table[op.index()];
}

void Interval::add(const Interval& other) {
    *this = empty() ? other : Interval{std::min(first, other.first), std::max(last, other.last)};
}

Interval read(Interval own, const ReadWindow& window) {
    const auto down = [](std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); };
    if (window.block > 1) {
        own.first = down(own.first - window.origin, window.block) * window.block + window.origin;
        own.last = down(own.last - window.origin, window.block) * window.block + window.origin + window.block - 1;
    }
    return {down(own.first * window.mul + window.low, window.div), down(own.last * window.mul + window.high, window.div)};
}

bool is_picture(const Shape& shape) {
    return shape.size() == 3 && shape[0].constant() && !shape[1].floor && !shape[2].floor && shape[1].h > 0 && shape[1].w == 0 && shape[1].area == 0 &&
           shape[2].w > 0 && shape[2].h == 0 && shape[2].area == 0;
}

std::int64_t parameters(const Operation& op) {
    if (!traits(op).trained) return 0;
    std::int64_t total = 0;
    std::visit(
        [&](const auto& operation) {
            for_each_field(operation, [&](const auto& field) {
                if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Values>) total += field.count();
            });
        },
        op);
    return total;
}

}  // namespace enlarge
