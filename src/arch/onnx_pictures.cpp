// SPDX-License-Identifier: Apache-2.0
// ONNX's operators on pictures: 1 x channels x rows x columns.
#include <numeric>

#include "arch/onnx_node.hpp"

namespace enlarge::onnx_import {
namespace {

struct Pads {
    int top = 0, left = 0, bottom = 0, right = 0;
};

Result<Pads> pads_of(const OnnxNode& n, int kernel_h, int kernel_w, const std::vector<int>& strides,
                     const std::vector<int>& dilations) {
    const std::string automatic = n.text("auto_pad", "NOTSET");
    if (automatic == "VALID") return Pads{};
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
        if (strides[0] != 1 || strides[1] != 1) return unsupported("padding that keeps the size, with a stride");
        const auto both = [](int kernel, int dilation) { return std::max(0, (kernel - 1) * dilation); };
        if (kernel_h > 255 || kernel_w > 255 || dilations[0] > 64 || dilations[1] > 64)
            return malformed("a kernel too large to be meant");
        const int rows = both(kernel_h, dilations[0]), columns = both(kernel_w, dilations[1]);
        const int up = automatic == "SAME_UPPER" ? rows / 2 : rows - rows / 2,
                  before = automatic == "SAME_UPPER" ? columns / 2 : columns - columns / 2;
        return Pads{up, before, rows - up, columns - before};
    }
    TRY(const std::vector<int> pads, n.numbers("pads", 4, 0));
    return Pads{pads[0], pads[1], pads[2], pads[3]};
}

// What a node says of its kernel beside the weights: it may leave that out.
Result<void> check_kernel_shape(const OnnxNode& n, const Known& weights) {
    const auto told = n.list("kernel_shape");
    if (!told || *told == Integers(weights.sides.begin() + 2, weights.sides.end())) return {};
    std::string found;
    for (const std::int64_t side : *told) found += (found.empty() ? "" : " x ") + std::to_string(side);
    return malformed("a kernel_shape of " + found + "; expected " + std::to_string(weights.sides[2]) + " x " +
                     std::to_string(weights.sides[3]) + ", as the weights are");
}

Result<const Known*> kernel_of(const OnnxNode& n) {
    if (!n.constant(1)) return unsupported("a convolution whose weights are computed");
    TRY(const Known* const weights, n.expect_constant(1, "a weight"));
    if (weights->sides.size() != 4) return unsupported("a convolution whose weights are not of a picture");
    for (const std::int64_t side : weights->sides)
        if (side < 1 || side > 65536) return malformed("a convolution with weights of " + std::to_string(side));
    TRY(check_kernel_shape(n, *weights));
    return weights;
}

Result<Values> bias_of(const OnnxNode& n, std::int64_t outputs) {
    if (n.has(2)) {
        TRY(const Known* const bias, n.expect_constant(2, "a bias"));
        return bias->values;
    }
    TRY(n.make.expand(outputs));
    return make_values(std::vector<float>(static_cast<std::size_t>(outputs)));
}

// A convolution that moves each pixel of a block to a channel of its own, the way pixel_unshuffle orders them.
bool is_unshuffle(const op::Conv2d& conv, std::int64_t in) {
    const int f = conv.stride_h;
    const std::int64_t area = std::int64_t{f} * f, out = conv.bias.count();
    if (f < 2 || conv.kernel_h != f || conv.kernel_w != f || conv.stride_w != f || out != in * area || conv.groups != 1)
        return false;
    if (conv.pad_top || conv.pad_left || conv.pad_bottom || conv.pad_right || conv.dilation_h != 1 ||
        conv.dilation_w != 1)
        return false;
    if (conv.weights.count() != out * in * area) return false;
    for (std::int64_t o = 0; o < out; ++o) {
        if ((*conv.bias)[static_cast<std::size_t>(o)] != 0) return false;
        for (std::int64_t i = 0; i < in * area; ++i)
            if ((*conv.weights)[static_cast<std::size_t>(o * in * area + i)] != (o == i ? 1.0F : 0.0F)) return false;
    }
    return true;
}

// Many pictures at once, such as patches as a batch: one picture of all, below each other, with rows of zeros between
// them.
Result<int> below_each_other(OnnxNode& n, int rows_between) {
    TRY(int all, n.node(0));
    TRY(all, n.make.transpose(all, {1, 0, 2, 3}));
    const Shape shape = n.make.shape(all);
    auto height = sum(shape[2], rows_between);
    if (rows_between > 0) {
        if (!shape[2].constant() || shape[2].fixed < rows_between)
            return unsupported("many pictures at once (" + text(n.shape(0)) + ") that are smaller than a kernel");
        TRY(const int some, n.make.slice(all, 2, 0, rows_between, 1));
        TRY(const int zeros, n.make.put(op::Clamp{0, 0}, {some}));
        TRY(all, n.make.concat({all, zeros}, 2));
    }
    const auto rows = height ? product(shape[1], *height) : height;
    if (!rows) return unsupported("many pictures at once (" + text(n.shape(0)) + ")");
    return n.make.reshape(all, {shape[0], *rows, shape[3]});
}

Result<void> conv_of_many(OnnxNode& n, op::Conv2d conv) {
    const Shape own = n.shape(0);
    const bool keeps = conv.stride_h == 1 && conv.stride_w == 1 && conv.dilation_h == 1 && conv.dilation_w == 1 &&
                       conv.pad_top == conv.pad_bottom && conv.pad_left == conv.pad_right &&
                       conv.kernel_h == 2 * conv.pad_top + 1 && conv.kernel_w == 2 * conv.pad_left + 1;
    if (!keeps || !own[1].constant() || own[1].fixed * conv.kernel_h * conv.kernel_w * conv.bias.count() !=
                                            conv.weights.count() * conv.groups)
        return unsupported("many pictures at once (" + text(own) + "), such as patches as a batch");
    const std::int64_t channels = conv.bias.count();
    const int between = conv.pad_top;
    TRY(int made, below_each_other(n, between));
    TRY(made, n.make.put(std::move(conv), {made}));
    const auto height = sum(own[2], between);
    if (!height) return malformed("a picture too large to be meant");
    TRY(made, n.make.reshape(made, {channels, own[0], *height, own[3]}));
    if (between > 0) {
        TRY(made, n.make.slice(made, 2, 0, -between, 1));
    }
    TRY(made, n.make.transpose(made, {1, 0, 2, 3}));
    return n.define(made, {own[0], channels, own[2], own[3]});
}

Result<void> conv(OnnxNode& n) {
    TRY(const Known* const weights, kernel_of(n));
    const bool many = n.has(0) && n.shape(0).size() == 4 && !OnnxNode::batched(n.shape(0));
    TRY(const int from, many ? n.node(0) : n.picture());
    op::Conv2d conv;
    conv.kernel_h = static_cast<int>(weights->sides[2]);
    conv.kernel_w = static_cast<int>(weights->sides[3]);
    TRY(const std::vector<int> strides, n.numbers("strides", 2, 1));
    TRY(const std::vector<int> dilations, n.numbers("dilations", 2, 1));
    TRY(const Pads pads, pads_of(n, conv.kernel_h, conv.kernel_w, strides, dilations));
    conv.stride_h = strides[0];
    conv.stride_w = strides[1];
    conv.dilation_h = dilations[0];
    conv.dilation_w = dilations[1];
    conv.groups = n.whole("group", 1);
    conv.pad_top = pads.top;
    conv.pad_left = pads.left;
    conv.pad_bottom = pads.bottom;
    conv.pad_right = pads.right;
    conv.weights = weights->values;
    conv.ragged = n.to.ragged() && (conv.stride_h > 1 || conv.stride_w > 1);
    TRY(conv.bias, bias_of(n, weights->sides[0]));
    if (conv.bias.count() != weights->sides[0])
        return malformed(std::to_string(conv.bias.count()) + " biases for " + std::to_string(weights->sides[0]) +
                         " channels");
    if (many) return conv_of_many(n, std::move(conv));
    const Extent channels = n.make.shape(from)[0];
    if (conv.groups >= 1 && channels.constant() && channels.fixed != weights->sides[1] * conv.groups)
        return malformed("weights for " + std::to_string(weights->sides[1] * conv.groups) + " channels, applied to " +
                         channels.text());
    const bool unshuffle = channels.constant() && is_unshuffle(conv, channels.fixed);
    const int factor = conv.stride_h;
    TRY(const int made,
        unshuffle ? n.make.put(op::PixelUnshuffle{factor}, {from}) : n.make.put(std::move(conv), {from}));
    return n.define_like(made);
}

Result<void> conv_transpose(OnnxNode& n) {
    TRY(const Known* const weights, kernel_of(n));
    TRY(const int from, n.picture());
    if (n.layer.lists.contains("output_shape") || n.text("auto_pad", "NOTSET") != "NOTSET")
        return unsupported("a transposed convolution whose result's size is given");
    op::ConvTranspose2d conv;
    conv.kernel_h = static_cast<int>(weights->sides[2]);
    conv.kernel_w = static_cast<int>(weights->sides[3]);
    TRY(const std::vector<int> strides, n.numbers("strides", 2, 1));
    TRY(const std::vector<int> dilations, n.numbers("dilations", 2, 1));
    TRY(const std::vector<int> pads, n.numbers("pads", 4, 0));
    TRY(const std::vector<int> extra, n.numbers("output_padding", 2, 0));
    conv.stride_h = strides[0];
    conv.stride_w = strides[1];
    conv.dilation_h = dilations[0];
    conv.dilation_w = dilations[1];
    conv.pad_top = pads[0];
    conv.pad_left = pads[1];
    conv.pad_bottom = pads[2];
    conv.pad_right = pads[3];
    conv.extra_h = extra[0];
    conv.extra_w = extra[1];
    conv.groups = n.whole("group", 1);
    if (conv.groups < 1 || conv.groups > 65536) return malformed(std::to_string(conv.groups) + " groups");
    conv.weights = weights->values;
    TRY(conv.bias, bias_of(n, weights->sides[1] * conv.groups));
    TRY(const int made, n.make.put(std::move(conv), {from}));
    return n.define_like(made);
}

Result<int> mean_filter(OnnxNode& n, int from, const std::vector<int>& kernel, const std::vector<int>& strides,
                        const std::vector<int>& dilations, const std::vector<int>& pads) {
    const Extent channels = n.make.shape(from)[0];
    constexpr int kMostTaps = 255;
    if (!channels.constant() || std::any_of(kernel.begin(), kernel.end(), [](int k) { return k < 1 || k > kMostTaps; }))
        return malformed("a kernel that is none");
    const std::int64_t taps = std::int64_t{kernel[0]} * kernel[1], all = channels.fixed * taps;
    TRY(n.make.expand(all));
    return n.make.put(op::Conv2d{.kernel_h = kernel[0],
                                 .kernel_w = kernel[1],
                                 .stride_h = strides[0],
                                 .stride_w = strides[1],
                                 .dilation_h = dilations[0],
                                 .dilation_w = dilations[1],
                                 .groups = static_cast<int>(channels.fixed),
                                 .pad_top = pads[0],
                                 .pad_left = pads[1],
                                 .pad_bottom = pads[2],
                                 .pad_right = pads[3],
                                 .weights = make_values(std::vector<float>(static_cast<std::size_t>(all),
                                                                           1 / static_cast<float>(taps))),
                                 .bias = make_values(std::vector<float>(static_cast<std::size_t>(channels.fixed))),
                                 .ragged = n.to.ragged() && (strides[0] > 1 || strides[1] > 1)},
                      {from});
}

Result<void> pool(OnnxNode& n) {
    TRY(const int from, n.picture());
    if (!n.layer.lists.contains("kernel_shape")) return malformed("no kernel_shape");
    TRY(const std::vector<int> kernel, n.numbers("kernel_shape", 2, 1));
    TRY(const std::vector<int> strides, n.numbers("strides", 2, 1));
    TRY(const std::vector<int> pads, n.numbers("pads", 4, 0));
    TRY(const std::vector<int> dilations, n.numbers("dilations", 2, 1));
    const bool padded = std::any_of(pads.begin(), pads.end(), [](int pad) { return pad != 0; });
    const bool even = kernel[0] == kernel[1] && strides[0] == strides[1] && dilations[0] == 1 && dilations[1] == 1 &&
                      std::all_of(pads.begin(), pads.end(), [&](int pad) { return pad == pads[0]; });
    const bool steps = strides[0] > 1 || strides[1] > 1;
    // Means are a convolution of each channel, where padding counts as zeros.
    const bool filter = n.type == "AveragePool" && !even && (!padded || n.number("count_include_pad", 0) != 0);
    if ((!even && !filter) || n.number("ceil_mode", 0) != 0 || n.text("auto_pad", "NOTSET") != "NOTSET" ||
        n.layer.outputs.size() != 1)
        return unsupported("pooling over windows that are no squares, or rounded up");
    if (filter) {
        TRY(const int made, mean_filter(n, from, kernel, strides, dilations, pads));
        return n.define_like(made);
    }
    TRY(const int made,
        n.type == "MaxPool"
            ? n.make.put(op::MaxPool{kernel[0], strides[0], pads[0], n.to.ragged() && steps}, {from})
            : n.make.put(op::AveragePool{kernel[0], strides[0], pads[0], n.number("count_include_pad", 0) != 0,
                                         n.to.ragged() && steps},
                         {from}));
    return n.define_like(made);
}

// A factor as a quotient of small numbers.
std::optional<std::pair<int, int>> ratio(double factor) {
    for (int den = 1; den <= 64; ++den) {
        const double num = factor * den;
        if (num >= 1 && num <= 4096 && std::fabs(num - std::round(num)) < 1e-4 * den)
            return std::pair(static_cast<int>(std::round(num)), den);
    }
    return {};
}

Result<std::pair<int, int>> resize_factor(const OnnxNode& n, const Shape& from) {
    const bool upsample = n.type == "Upsample";
    const Known* scales = n.constant(upsample ? 1 : 2);
    if (!scales || scales->count() == 0) scales = n.count() <= 2 ? n.constant(1) : nullptr;  // opset 10
    const auto list = n.layer.lists.find("scales");
    std::vector<double> factors = list == n.layer.lists.end() ? std::vector<double>() : list->second;
    if (scales && !scales->symbolic() && scales->count() == 4)
        factors = {scales->value(0), scales->value(1), scales->value(2), scales->value(3)};
    if (factors.size() == 4) {
        const auto found = ratio(factors[2]);
        if (factors[0] == 1 && factors[1] == 1 && std::fabs(factors[2] - factors[3]) < 1e-6 && found) return *found;
        return unsupported("a resampling by unequal factors, or odd ones");
    }
    const Known* target = n.constant(3);
    if (!target || target->count() != 4) return unsupported("a resampling whose factors are computed");
    TRY(const std::vector<Extent> sizes, sizes_of(*target));
    Extent rows = sizes[2], columns = sizes[3];
    if (const auto own = n.make.own)
        if (const auto picture = as_picture({from[0], rows, columns}, *own)) {
            rows = (*picture)[1];
            columns = (*picture)[2];
        }
    const auto num = rows.h * from[1].den, den = from[1].h * rows.den;
    const bool fits = !from[1].floor && !from[2].floor && !rows.floor && !columns.floor && rows.fixed == 0 &&
                      columns.fixed == 0 && from[1].fixed == 0 && from[2].fixed == 0 && num > 0 && den > 0 &&
                      columns.w * from[2].den * den == from[2].w * columns.den * num;
    if (!fits) return unsupported("a resampling to " + rows.text() + " x " + columns.text() + " from " + text(from));
    const auto common = std::gcd(num, den);
    if (num / common > 4096 || den / common > 4096) return malformed("a factor too large to be meant");
    return std::pair(static_cast<int>(num / common), static_cast<int>(den / common));
}

// A picture of the rows and columns that a resampling shall have: the last there is; -1 for none.
int picture_of_size(const OnnxNode& n) {
    const Known* target = n.constant(3);
    if (!target || target->count() != 4) return -1;
    auto sizes = sizes_of(*target);
    if (!sizes.ok()) return -1;
    if (n.make.own)
        if (const auto picture = as_picture({1, (*sizes)[2], (*sizes)[3]}, *n.make.own))
            std::copy(picture->begin() + 1, picture->end(), sizes->begin() + 2);
    for (int i = static_cast<int>(n.make.graph().nodes().size()) - 1; i >= 0; --i)
        if (n.make.node(i).picture() && n.make.shape(i)[1] == (*sizes)[2] && n.make.shape(i)[2] == (*sizes)[3])
            return i;
    // A part of the picture's sides, rounded down: that much is left of it.
    const Extent rows = (*sizes)[2];
    if (!rows.floor || rows.fixed != 0 || rows.times != 1 || rows.rest != 0 || rows.den > 16) return -1;
    const int f = static_cast<int>(rows.den);
    const auto channel = n.make.slice(0, 0, 0, 1, 1);
    if (!channel.ok()) return -1;
    const auto made = n.make.put(op::MaxPool{f, f, 0, true}, {*channel});
    return made.ok() && n.make.shape(*made)[1] == rows && n.make.shape(*made)[2] == (*sizes)[3] ? *made : -1;
}

// 1 / f of the size, rounded down: what is left over is not looked at but by the widest filter.
Result<int> smaller(OnnxNode& n, int from, int f, bool cubic, double a) {
    const Extent channels = n.make.shape(from)[0];
    if (!channels.constant()) return malformed("channels that depend on the picture");
    const double place = (f - 1) / 2.0;  // in a block
    const int first = static_cast<int>(std::floor(place));
    const double part = place - first;
    const auto far = [a](double x) { return a * (((x - 5) * x + 8) * x - 4); };
    const auto near = [a](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    std::vector<double> taps{1 - part, part};
    if (cubic) taps = {far(part + 1), near(part), near(1 - part), far(2 - part)};
    while (taps.size() > 1 && taps.back() == 0) taps.pop_back();
    const int count = static_cast<int>(taps.size()), begin = first - (cubic ? 1 : 0), pad = std::max(0, -begin),
              beyond = std::max(0, begin + count - f);
    if (begin > 0) {
        TRY(from, n.make.slice(from, 1, begin, op::Slice::kEnd, 1));
        TRY(from, n.make.slice(from, 2, begin, op::Slice::kEnd, 1));
    }
    TRY(from, n.make.pad(from, {op::Pad::Mode::repeat, pad, pad, beyond, beyond}));
    // As many places as whole blocks: the rest of the last block belongs to its window.
    const int window = std::max(count, f - std::max(begin, 0));
    TRY(n.make.expand(channels.fixed * window * window));
    std::vector<float> weights;
    const auto tap = [&](int i) { return i < count ? taps[static_cast<std::size_t>(i)] : 0; };
    for (std::int64_t c = 0; c < channels.fixed; ++c)
        for (int y = 0; y < window; ++y)
            for (int x = 0; x < window; ++x) weights.push_back(static_cast<float>(tap(y) * tap(x)));
    return n.make.put(op::Conv2d{.kernel_h = window,
                                 .kernel_w = window,
                                 .stride_h = f,
                                 .stride_w = f,
                                 .groups = static_cast<int>(channels.fixed),
                                 .weights = make_values(std::move(weights)),
                                 .bias = make_values(std::vector<float>(static_cast<std::size_t>(channels.fixed))),
                                 .ragged = true},
                      {from});
}

Result<void> resize(OnnxNode& n) {
    TRY(const int from, n.picture());
    const auto factor = resize_factor(n, n.make.shape(from));
    const int like = factor.ok() ? -1 : picture_of_size(n);
    if (!factor.ok() && like < 0) return factor.error();
    const int num = like < 0 ? factor->first : 1, den = like < 0 ? factor->second : 1;
    const bool upsample = n.type == "Upsample";
    const std::string mode = n.text("mode", "nearest");
    const bool old = upsample || n.older_than(11);
    const std::string position = n.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
    const std::string rounding = n.text("nearest_mode", old ? "floor" : "round_prefer_floor");
    const auto refuse = [&] {
        return unsupported("a resampling (" + printable(mode) + ", " + printable(position) + ", " +
                           printable(rounding) + ") by " + std::to_string(num) + "/" + std::to_string(den));
    };
    const bool half = position == "half_pixel" || position == "pytorch_half_pixel";
    if (num == den && like < 0) return n.define(from, n.operand(0).shape);
    if (n.number("exclude_outside", 0) != 0 || n.number("antialias", 0) != 0) return refuse();
    if (n.to.ragged() && like < 0 && den > 1)
        for (const std::size_t side : {1U, 2U}) {
            const Extent& own = n.make.shape(from)[side];
            const auto larger = product(own, num);
            const auto exact = larger ? quotient(*larger, den) : larger;
            if (exact && (exact->floor || exact->den == own.den)) continue;
            if (num != 1 || den > 16 || !half || (mode != "linear" && mode != "cubic")) return refuse();
            TRY(const int made, smaller(n, from, den, mode == "cubic", n.number("cubic_coeff_a", -0.75)));
            return n.define_like(made);
        }
    op::Resize what;
    what.num = num;
    what.den = den;
    if (mode == "nearest") {
        // For whole factors these all repeat each pixel; rounding up from `asymmetric` would shift the picture.
        if (like >= 0) return refuse();
        const bool repeats =
            (position == "asymmetric" && rounding == "floor") || (half && rounding.starts_with("round") && den == 1);
        if (!repeats) return refuse();
        what.mode = op::Resize::Mode::nearest;
        TRY(const int made, den == 1 ? n.make.put(op::UpsampleNearest{num}, {from}) : n.make.put(what, {from}));
        return n.define_like(made);
    }
    if (mode != "linear" && mode != "cubic") return refuse();
    if (!half && position != "align_corners") return refuse();
    what.mode = mode == "linear" ? op::Resize::Mode::bilinear : op::Resize::Mode::bicubic;
    what.align_corners = !half;
    what.cubic = static_cast<float>(n.number("cubic_coeff_a", -0.75));
    if (mode == "linear") what.cubic = op::Resize().cubic;
    TRY(const int made, n.make.put(what, like < 0 ? std::vector<int>{from} : std::vector<int>{from, like}));
    return n.define_like(made);
}

Result<void> depth_to_space(OnnxNode& n) {
    TRY(int from, n.picture());
    TRY(const int f, fitting(n.integer("blocksize", 0), "blocksize"));
    const Shape shape = n.make.shape(from);
    const bool down = n.type == "SpaceToDepth";
    if (f < 1 || f > 64) return malformed("blocks of " + std::to_string(f));
    if (f == 1) return n.define(from, n.operand(0).shape);
    if (down) {
        TRY(from, n.make.put(op::PixelUnshuffle{f}, {from}));
    } else if (n.text("mode", "DCR") == "CRD") {
        TRY(const int made, n.make.put(op::PixelShuffle{f}, {from}));
        return n.define_like(made);
    }
    // Channels in the order place, colour instead of colour, place.
    if (!shape[0].constant()) return malformed("channels that depend on the picture");
    const std::int64_t all = n.make.shape(from)[0].fixed, area = std::int64_t{f} * f, colours = all / area;
    if (all % area != 0) return malformed(std::to_string(all) + " channels in blocks of " + std::to_string(area));
    TRY(n.make.expand(all * all));
    std::vector<float> pick(static_cast<std::size_t>(all * all));
    for (std::int64_t place = 0; place < area; ++place)
        for (std::int64_t c = 0; c < colours; ++c) {
            const std::int64_t ours = c * area + place, theirs = place * colours + c;
            pick[static_cast<std::size_t>(down ? theirs * all + ours : ours * all + theirs)] = 1;
        }
    op::Conv2d order{.weights = make_values(std::move(pick)),
                     .bias = make_values(std::vector<float>(static_cast<std::size_t>(all)))};
    TRY(int made, n.make.put(std::move(order), {from}));
    if (!down) {
        TRY(made, n.make.put(op::PixelShuffle{f}, {made}));
    }
    return n.define_like(made);
}

// Padding whose amounts depend on what is left of a side over a multiple, where nothing is left: whoever runs the graph
// does it for other pictures. That is the same if it is the picture that is padded, behind its ends, and up to the next
// multiple.
void leave_padding(OnnxNode& n, int from, const Integers& pads, const Known& beyond, std::optional<Continuation> how) {
    bool behind = std::all_of(pads.begin(), pads.end(), [](std::int64_t by) { return by == 0; }) && from == 0 && how &&
                  !beyond.is_unknown() && !beyond.symbolic() && beyond.count() == 8;
    for (std::size_t i = 0; behind && i < 6; ++i) behind = beyond.value(i) == 0;
    if (!behind) {
        n.to.continues_otherwise = true;
        return;
    }
    for (const std::size_t i : {6U, 7U}) {
        Importer::Side& side = i == 6 ? n.to.below : n.to.beside;
        if (beyond.value(i) == 0) continue;
        n.to.continues_otherwise = n.to.continues_otherwise || side.how;  // twice
        side = {how, static_cast<std::int64_t>(beyond.value(i)) + 1};
    }
}

Result<void> pad(OnnxNode& n) {
    TRY(const int from, n.node(0));
    TRY(const auto pads, n.integers(1, "pads"));
    const Shape& shape = n.operand(0).shape;
    const std::size_t rank = shape.size();
    if (!pads) return malformed("no pads");
    if (n.has(3)) return unsupported("padding along named axes");
    if (pads->size() != 2 * rank) return malformed(std::to_string(pads->size()) + " pads for " + text(shape));
    const std::string mode = n.text("mode", "constant");
    double value = n.number("value", 0);
    if (n.has(2)) {
        TRY(const Known* const given, n.expect_constant(2, "a value"));
        value = given->count() == 1 ? given->value(0) : 0;
    }
    if (const Known* amounts = n.constant(1); amounts && amounts->beyond) {
        std::optional<Continuation> how;
        if (mode == "reflect") how = Continuation::reflect;
        if (mode == "edge") how = Continuation::repeat;
        if (mode == "constant" && value == 0) how = Continuation::zeros;
        leave_padding(n, from, *pads, *amounts->beyond, how);
    }
    if (std::all_of(pads->begin(), pads->end(), [](std::int64_t by) { return by == 0; })) return n.define(from, shape);
    if (!(mode == "reflect" || mode == "edge" || (mode == "constant" && value == 0)) || rank != 4 || !OnnxNode::batched(shape) ||
        (*pads)[0] || (*pads)[1] || (*pads)[4] || (*pads)[5])
        return unsupported("padding (" + printable(mode) +
                           ") other than of a picture's edges with zeros, by reflection or repetition");
    for (const std::int64_t by : *pads) TRY(fitting(by, "padding"));
    const auto at = [&](std::size_t i) { return saturated((*pads)[i]); };
    TRY(const int made, n.make.pad(from, {mode == "reflect" ? op::Pad::Mode::reflect
                                          : mode == "edge" ? op::Pad::Mode::repeat
                                                           : op::Pad::Mode::zeros,
                                          at(2), at(3), at(6), at(7)}));
    return n.define_like(made);
}

// Channels in groups as a batch, each with places of its own: what DySample becomes.
Result<void> sample_groups(OnnxNode& n, op::GridSample what) {
    const Shape own = n.shape(0), places = n.shape(1);
    const auto channels = product(own[0], own[1]);
    if (!channels || !channels->constant() || !own[0].constant() || places[0] != own[0] || places[3] != Extent(2))
        return unsupported("sampling of " + text(own) + " at " + text(places));
    what.groups = saturated(own[0].fixed);
    const auto as_picture_of = [&](const Extent& first, const Extent& rows, const Extent& columns) {
        const Shape shape{first, rows, columns};
        return n.make.own ? as_picture(shape, *n.make.own).value_or(shape) : shape;
    };
    TRY(int from, n.node(0));
    TRY(from, n.make.reshape(from, as_picture_of(*channels, own[2], own[3])));
    TRY(int turned, n.node(1));
    TRY(turned, n.make.transpose(turned, {0, 3, 1, 2}));
    TRY(turned, n.make.reshape(turned, as_picture_of(Extent(2 * own[0].fixed), places[1], places[2])));
    TRY(const int made, n.make.put(what, {from, turned}));
    return n.define(made, {own[0], own[1], places[1], places[2]});
}

Result<void> grid_sample(OnnxNode& n) {
    const std::string mode = n.text("mode", "linear"), beyond = n.text("padding_mode", "zeros");
    if ((mode != "bilinear" && mode != "linear") || (beyond != "zeros" && beyond != "border"))
        return unsupported("sampling (" + printable(mode) + ", " + printable(beyond) + ")");
    op::GridSample what;
    what.beyond = beyond == "border" ? op::GridSample::Beyond::border : op::GridSample::Beyond::zeros;
    what.align_corners = n.number("align_corners", 0) != 0;
    const auto many = [&](std::size_t i) {
        return n.has(i) && n.shape(i).size() == 4 && !OnnxNode::batched(n.shape(i));
    };
    if (many(0) && many(1)) return sample_groups(n, what);
    TRY(const int from, n.picture(0));
    TRY(const int places, n.picture(1));
    TRY(const int turned, n.make.transpose(places, {2, 0, 1}));
    TRY(const int made, n.make.put(what, {from, turned}));
    return n.define_like(made);
}

Result<void> global_mean(OnnxNode& n) {
    TRY(const int from, n.picture());
    TRY(const int made, n.make.put(op::GlobalMean{}, {from}));
    return n.define_like(made);
}

const Rule kRules[] = {
    {"Conv", conv},       {"ConvTranspose", conv_transpose},  {"AveragePool", pool},
    {"MaxPool", pool},    {"GlobalAveragePool", global_mean}, {"Resize", resize},
    {"Upsample", resize}, {"DepthToSpace", depth_to_space},   {"SpaceToDepth", depth_to_space},
    {"Pad", pad},         {"GridSample", grid_sample},
};

}  // namespace

std::span<const Rule> picture_rules() { return kRules; }

}  // namespace enlarge::onnx_import
