// SPDX-License-Identifier: Apache-2.0
// ncnn's layers. Parameters have numbers for names; the numbers are those of ncnn's operators page. Its tensors have no
// batch and count axes from the outermost side, as graphs do; what ncnn keeps as a row of channels (a mean of each
// channel, what a layer makes of that) stays C x 1 x 1 here.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "arch/importer.hpp"
#include "graph/traits.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

using Value = Importer::Value;
using Numbers = GraphMaker::Numbers;

constexpr int kNoNumber = -1000;  // where a whole number is expected and something else is there

Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }
Error malformed(const std::string& what) { return {Errc::format, what}; }

class NcnnLayer {
public:
    NcnnLayer(Importer& to, const Layer& layer) : to(to), make(to.make), layer(layer), type(layer.type) {}

    [[nodiscard]] double number(const char* key, double otherwise) const {
        const auto found = layer.numbers.find(key);
        return found == layer.numbers.end() ? otherwise : found->second;
    }
    // A small whole number, or kNoNumber when it is not one.
    [[nodiscard]] int whole(const char* key, int otherwise) const {
        const double value = number(key, otherwise);
        return std::fabs(value) <= 1 << 24 && value == std::floor(value) ? static_cast<int>(value) : kNoNumber;
    }
    [[nodiscard]] const std::vector<double>* list(const char* key) const {
        const auto found = layer.lists.find(key);
        return found == layer.lists.end() ? nullptr : &found->second;
    }
    Result<const Tensor*> tensor(std::size_t i, const char* what) const {
        if (i >= layer.tensors.size()) return malformed(std::string("no ") + what);
        return &layer.tensors[i];
    }
    [[nodiscard]] Values values(std::size_t i) const {
        return i < layer.tensors.size() ? Values(layer.tensors[i].values.shared()) : Values();
    }
    [[nodiscard]] Numbers numbers(std::size_t i) const {
        if (i >= layer.tensors.size()) return {};
        return {layer.tensors[i].values.begin(), layer.tensors[i].values.end()};
    }

    [[nodiscard]] std::size_t count() const { return layer.inputs.size(); }
    // A constant becomes a node.
    Result<int> node(std::size_t i = 0) {
        if (i >= layer.inputs.size()) return malformed("input " + std::to_string(i) + " is missing");
        TRY(const Value* const value, to.use(layer.inputs[i]));
        if (value->form != Value::Form::known) return Importer::node_of(*value);
        std::vector<int> sides;
        for (const std::int64_t side : value->known.sides)
            sides.push_back(static_cast<int>(std::min<std::int64_t>(side, 1 << 28)));
        return make.constant(std::move(sides), value->known.values);
    }
    // The numbers of an input that is constant, or null.
    [[nodiscard]] const Known* constant(std::size_t i) const {
        const Value* value = i < layer.inputs.size() ? to.find(layer.inputs[i]) : nullptr;
        return value && value->form == Value::Form::known ? &value->known : nullptr;
    }
    Result<int> axis(const char* key, int node, int otherwise = 0) const {
        const int axis = whole(key, otherwise), rank = static_cast<int>(make.shape(node).size());
        if (axis < -rank || axis >= rank)
            return malformed("axis " + std::to_string(axis) + " of " + text(make.shape(node)));
        return axis < 0 ? axis + rank : axis;
    }

    Result<void> define(int node, std::size_t output = 0) {
        Value value;
        value.node = node;
        value.shape = make.shape(node);
        return to.define(layer.outputs[output], std::move(value));
    }
    Result<void> simple(Operation op) {
        TRY(const int from, node());
        TRY(const int made, make.put(std::move(op), {from}));
        return define(made);
    }

    Importer& to;
    GraphMaker& make;
    const Layer& layer;
    const std::string& type;
};

// The activation that convolutions and matrices carry in keys 9 and 10.
Result<int> activated(NcnnLayer& l, int from) {
    const auto* given = l.list("10");
    const auto parameter = [&](std::size_t i, double otherwise) {
        return given && i < given->size() ? (*given)[i] : otherwise;
    };
    switch (const int kind = l.whole("9", 0)) {
        case 0:
            return from;
        case 1:
            return l.make.put(op::LeakyRelu{0}, {from});
        case 2:
            return l.make.put(op::LeakyRelu{static_cast<float>(parameter(0, 0))}, {from});
        case 3:
            return l.make.put(
                op::Clamp{static_cast<float>(parameter(0, -3e38)), static_cast<float>(parameter(1, 3e38))}, {from});
        case 4:
            return l.make.put(op::Sigmoid{}, {from});
        case 5:
            return l.make.put(op::Mish{}, {from});
        case 6: {
            if (std::fabs(parameter(0, 1.0 / 6) - 1.0 / 6) < 1e-3 && std::fabs(parameter(1, 0.5) - 0.5) < 1e-6)
                return l.make.put(op::HardSwish{}, {from});
            return unsupported("a hard swish with other numbers");
        }
        default:
            return unsupported("activation " + std::to_string(kind));
    }
}

struct Window {
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int top, left, bottom, right;
};

Result<Window> window_of(const NcnnLayer& l) {
    Window w{};
    w.kernel_w = l.whole("1", 0);
    w.kernel_h = l.whole("11", w.kernel_w);
    w.dilation_w = l.whole("2", 1);
    w.dilation_h = l.whole("12", w.dilation_w);
    w.stride_w = l.whole("3", 1);
    w.stride_h = l.whole("13", w.stride_w);
    w.left = l.whole("4", 0);
    w.right = l.whole("15", w.left);
    w.top = l.whole("14", w.left);
    w.bottom = l.whole("16", w.top);
    if (w.left == -233 || w.left == -234) {  // as much as keeps the size
        const bool sane = w.kernel_h >= 1 && w.kernel_w >= 1 && w.kernel_h <= 255 && w.kernel_w <= 255 &&
                          w.dilation_h >= 1 && w.dilation_w >= 1 && w.dilation_h <= 64 && w.dilation_w <= 64;
        if (!sane || w.stride_w != 1 || w.stride_h != 1)
            return unsupported("padding that keeps the size, with a stride");
        const int rows = (w.kernel_h - 1) * w.dilation_h, columns = (w.kernel_w - 1) * w.dilation_w;
        const bool upper = w.left == -233;
        w.top = upper ? rows / 2 : rows - rows / 2;
        w.left = upper ? columns / 2 : columns - columns / 2;
        w.bottom = rows - w.top;
        w.right = columns - w.left;
    }
    return w;
}

Result<void> convolution(NcnnLayer& l) {
    TRY(const Window w, window_of(l));
    TRY(const Tensor* const weights, l.tensor(0, "weights"));
    if (weights->shape.size() != 4) return malformed("weights that are not of a picture");
    const bool padded = w.top || w.left || w.bottom || w.right;
    if (padded && l.number("18", 0) != 0) return unsupported("a convolution padded with other than zero");
    TRY(const int from, l.node());
    const std::int64_t outputs = weights->shape[0];
    op::Conv2d conv{w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w, l.whole("7", 1),
                    w.top,      w.left,     w.bottom,   w.right,    l.values(0),  l.values(1)};
    conv.ragged = l.to.ragged() && (conv.stride_h > 1 || conv.stride_w > 1);
    if (!conv.bias) {
        TRY(l.make.expand(outputs));
        conv.bias = make_values(std::vector<float>(static_cast<std::size_t>(std::max<std::int64_t>(outputs, 0))));
    }
    TRY(const int made, l.make.put(std::move(conv), {from}));
    TRY(const int result, activated(l, made));
    return l.define(result);
}

// Weights (out, in / groups, rows, columns) here, (in, out / groups, rows, columns) in graphs.
Result<Values> transposed_weights(const Tensor& weights, std::int64_t groups) {
    const std::int64_t out = weights.shape[0], in_group = weights.shape[1], taps = weights.shape[2] * weights.shape[3];
    if (groups < 1 || out % groups != 0) return malformed(std::to_string(groups) + " groups");
    const std::int64_t out_group = out / groups;
    std::vector<float> turned(weights.values.size());
    for (std::int64_t o = 0; o < out; ++o)
        for (std::int64_t i = 0; i < in_group; ++i) {
            const std::int64_t to = ((o / out_group * in_group + i) * out_group + o % out_group) * taps;
            std::copy_n(weights.values.begin() + (o * in_group + i) * taps, taps, turned.begin() + to);
        }
    return make_values(std::move(turned));
}

Result<void> deconvolution(NcnnLayer& l) {
    TRY(const Window w, window_of(l));
    TRY(const Tensor* const weights, l.tensor(0, "weights"));
    if (weights->shape.size() != 4) return malformed("weights that are not of a picture");
    if (l.number("20", 0) != 0 || l.number("21", 0) != 0 || l.whole("4", 0) < 0)
        return unsupported("a deconvolution whose result's size is given");
    TRY(const int from, l.node());
    op::ConvTranspose2d conv;
    conv.kernel_h = w.kernel_h;
    conv.kernel_w = w.kernel_w;
    conv.stride_h = w.stride_h;
    conv.stride_w = w.stride_w;
    conv.dilation_h = w.dilation_h;
    conv.dilation_w = w.dilation_w;
    conv.groups = l.whole("7", 1);
    conv.pad_top = w.top;
    conv.pad_left = w.left;
    conv.pad_bottom = w.bottom;
    conv.pad_right = w.right;
    conv.extra_w = l.whole("18", 0);
    conv.extra_h = l.whole("19", conv.extra_w);
    TRY(conv.weights, transposed_weights(*weights, conv.groups));
    conv.bias = l.values(1);
    if (!conv.bias) {
        TRY(l.make.expand(weights->shape[0]));
        conv.bias = make_values(std::vector<float>(static_cast<std::size_t>(weights->shape[0])));
    }
    TRY(const int made, l.make.put(std::move(conv), {from}));
    TRY(const int result, activated(l, made));
    return l.define(result);
}

// Of a row of channels, or along the innermost axis.
Result<void> inner_product(NcnnLayer& l) {
    TRY(const int from, l.node());
    TRY(const Tensor* const weights, l.tensor(0, "weights"));
    const Shape& shape = l.make.shape(from);
    int made = 0;
    if (shape.size() == 3 && shape[1] == Extent(1) && shape[2] == Extent(1)) {
        op::Conv2d conv{.weights = l.values(0), .bias = l.values(1)};
        if (!conv.bias) conv.bias = make_values(std::vector<float>(static_cast<std::size_t>(weights->shape[0])));
        TRY(made, l.make.put(std::move(conv), {from}));
    } else if (shape.size() == 2) {
        TRY(made, l.make.linear(from, l.values(0), l.values(1)));
    } else {
        return unsupported("a matrix times " + text(shape));
    }
    TRY(const int result, activated(l, made));
    return l.define(result);
}

// a + b, a * b ... with numbers that are one, or one per channel.
Result<std::optional<int>> with_numbers(NcnnLayer& l, int kind, int from, const Numbers& b) {
    Numbers factor, shift;
    for (const double c : b) {
        if ((kind == 3 && c == 0) || !std::isfinite(c)) return unsupported("a division by zero, or by no number");
        if (kind == 2)
            factor.push_back(c);
        else if (kind == 3)
            factor.push_back(1 / c);
        else
            shift.push_back(kind == 1 ? -c : c);
    }
    if (kind == 7) factor = {-1};
    if (kind > 3 && kind != 7) return std::optional<int>();
    TRY(const int made, l.make.scale_shift(from, factor, shift));
    return std::optional(made);
}

Result<void> of_two(NcnnLayer& l, int kind) {
    for (const std::size_t k : {1U, 0U}) {
        const Known* numbers = l.constant(k);
        if (!numbers || numbers->sides.empty()) continue;
        TRY(const int from, l.node(1 - k));
        const Shape& shape = l.make.shape(from);
        const bool channels = numbers->count() == 1 || (shape.size() == 3 && shape[0] == Extent(numbers->count()) &&
                                                        numbers->sides[0] == numbers->count());
        if (!channels) continue;
        int asked = kind;
        if (k == 0) asked = kind == 1 ? 7 : kind == 7 ? 1 : kind == 3 ? 8 : kind == 8 ? 3 : kind;
        TRY(const auto made, with_numbers(l, asked, from, Numbers(numbers->values->begin(), numbers->values->end())));
        if (made) return l.define(*made);
    }
    TRY(int a, l.node(0));
    TRY(int b, l.node(1));
    int made = 0;
    switch (kind) {
        case 0: {
            TRY(made, l.make.add(a, b));
            break;
        }
        case 1: {
            TRY(made, l.make.add(a, b, 1, -1));
            break;
        }
        case 2: {
            TRY(made, l.make.multiply(a, b));
            break;
        }
        case 4: {
            TRY(made, l.make.put(op::Maximum{}, {a, b}));
            break;
        }
        case 7: {
            TRY(made, l.make.add(a, b, -1, 1));
            break;
        }
        case 3:
        case 8: {
            if (kind == 8) std::swap(a, b);
            TRY(const auto norm, l.make.divide(a, b));
            if (!norm) return unsupported("a quotient of two tensors that is no normalisation");
            made = *norm;
            break;
        }
        default:
            return unsupported("operation " + std::to_string(kind));
    }
    return l.define(made);
}

Result<void> binary(NcnnLayer& l) {
    const int kind = l.whole("0", 0);
    if (l.number("1", 0) == 0 && l.count() != 1) return of_two(l, kind);
    TRY(const int from, l.node());
    const double b = l.number("2", 0);
    if (kind == 4 || kind == 5) {
        const auto bound = static_cast<float>(b);
        return l.simple(kind == 4 ? op::Clamp{bound, 3e38F} : op::Clamp{-3e38F, bound});
    }
    if (kind == 6) {
        if (b == 0.5) return l.simple(op::Sqrt{});
        if (b != 2) return unsupported("a power that is not 1/2 or 2");
        TRY(const int square, l.make.multiply(from, from));
        return l.define(square);
    }
    TRY(const auto made, with_numbers(l, kind, from, {b}));
    if (!made) return unsupported("operation " + std::to_string(kind) + " with a number");
    return l.define(*made);
}

Result<void> eltwise(NcnnLayer& l) {
    const int kind = l.whole("0", 0);
    if (l.count() != 2) return unsupported(std::to_string(l.count()) + " tensors");
    if (kind == 0) return of_two(l, 2);
    if (kind == 2) return of_two(l, 4);
    if (kind != 1) return unsupported("operation " + std::to_string(kind));
    const auto* given = l.list("1");
    if (!given || given->empty()) return of_two(l, 0);
    if (given->size() != 2) return malformed(std::to_string(given->size()) + " factors; expected 2");
    TRY(const int a, l.node(0));
    TRY(const int b, l.node(1));
    TRY(const int made, l.make.add(a, b, (*given)[0], (*given)[1]));
    return l.define(made);
}

Result<void> unary(NcnnLayer& l) {
    TRY(const int from, l.node());
    switch (const int kind = l.whole("0", 0)) {
        case 0:
            return l.simple(op::Abs{});
        case 1: {
            TRY(const int made, l.make.scale_shift(from, {-1}, {}));
            return l.define(made);
        }
        case 4: {
            TRY(const int made, l.make.multiply(from, from));
            return l.define(made);
        }
        case 5:
            return l.simple(op::Sqrt{});
        case 7:
            return l.simple(op::Exp{});
        case 16:
            return l.simple(op::Tanh{});
        default:
            return unsupported("operation " + std::to_string(kind));
    }
}

Result<void> interp(NcnnLayer& l) {
    const int kind = l.whole("0", 0);
    const double down = l.number("1", 1), across = l.number("2", 1);
    if (l.number("3", 0) != 0 || l.number("4", 0) != 0 || l.count() != 1)
        return unsupported("a resampling to a given size");
    if (down != across || !(down > 0)) return unsupported("a resampling by unequal factors");
    TRY(const int from, l.node());
    for (int den = 1; den <= 64; ++den) {
        const double num = down * den;
        if (num < 1 || num > 4096 || std::fabs(num - std::round(num)) > 1e-6 * den) continue;
        const int whole = static_cast<int>(std::round(num));
        if (whole == den) return l.define(from);
        if (kind == 1 && den == 1) return l.simple(op::UpsampleNearest{whole});
        op::Resize what;
        what.mode = kind == 1   ? op::Resize::Mode::nearest
                    : kind == 2 ? op::Resize::Mode::bilinear
                                : op::Resize::Mode::bicubic;
        if (kind < 1 || kind > 3) return unsupported("resampling " + std::to_string(kind));
        what.align_corners = kind != 1 && l.number("6", 0) != 0;
        what.num = whole;
        what.den = den;
        return l.simple(what);
    }
    return unsupported("a resampling by " + std::to_string(down));
}

Result<void> scale(NcnnLayer& l) {
    if (l.layer.tensors.empty()) return of_two(l, 2);  // by a tensor that is computed
    TRY(const int from, l.node());
    TRY(const int made, l.make.scale_shift(from, l.numbers(0), l.numbers(1)));
    return l.define(made);
}

Result<void> bias(NcnnLayer& l) {
    TRY(const int from, l.node());
    TRY(const int made, l.make.scale_shift(from, {}, l.numbers(0)));
    return l.define(made);
}

// Slope, mean, variance, bias.
Result<void> batch_norm(NcnnLayer& l) {
    if (l.layer.tensors.size() != 4) return malformed("four lists of numbers are expected");
    const Numbers slope = l.numbers(0), mean = l.numbers(1), variance = l.numbers(2), shift = l.numbers(3);
    Numbers factor, moved;
    for (std::size_t c = 0; c < slope.size(); ++c) {
        factor.push_back(slope[c] / std::sqrt(variance[c] + l.number("1", 0)));
        moved.push_back(shift[c] - mean[c] * factor[c]);
    }
    TRY(const int from, l.node());
    TRY(const int made, l.make.scale_shift(from, factor, moved));
    return l.define(made);
}

Result<void> prelu(NcnnLayer& l) {
    TRY(const Tensor* const slopes, l.tensor(0, "slopes"));
    TRY(const int from, l.node());
    const Shape& shape = l.make.shape(from);
    Values values = Values(slopes->values.shared());
    if (values.count() == 1 && shape.size() == 3 && shape[0].constant()) {
        TRY(l.make.expand(shape[0].fixed));
        values = make_values(std::vector<float>(static_cast<std::size_t>(shape[0].fixed), slopes->values[0]));
    }
    return l.simple(op::Prelu{std::move(values)});
}

Result<void> pooling(NcnnLayer& l) {
    const bool mean = l.whole("0", 0) == 1;
    TRY(const int from, l.node());
    const bool ragged = l.to.ragged();
    if (l.number("4", 0) != 0) {
        if (!mean) return unsupported("the largest of a whole picture");
        TRY(const int made, l.make.put(op::GlobalMean{}, {from}));
        return l.define(made);
    }
    const int kernel = l.whole("1", 0), stride = l.whole("2", 1), pad = l.whole("3", 0);
    const bool square = l.whole("11", kernel) == kernel && l.whole("12", stride) == stride &&
                        l.whole("13", pad) == pad && l.whole("14", pad) == pad && l.whole("15", pad) == pad;
    if (!square || l.number("7", 0) != 0 || l.whole("5", 0) != 1)
        return unsupported("pooling over windows that are no squares, or rounded up");
    const bool rest = ragged && stride > 1;
    if (!mean) return l.simple(op::MaxPool{kernel, stride, pad, rest});
    return l.simple(op::AveragePool{kernel, stride, pad, l.number("6", 0) != 0, rest});
}

Result<void> norm(NcnnLayer& l) {
    TRY(const int from, l.node());
    const Shape& shape = l.make.shape(from);
    const bool layer = l.type == "LayerNorm" || l.type == "RMSNorm";
    const int size = l.whole(l.type == "GroupNorm" ? "1" : "0", 0);
    if (shape.empty() || (layer ? shape.back() : shape.front()) != Extent(size))
        return unsupported("over " + std::to_string(size) + " of " + text(shape));
    const auto epsilon = static_cast<float>(l.number(l.type == "GroupNorm" ? "2" : "1", 1e-3));
    Values scale = l.values(0), shift = l.values(1);
    if (l.layer.tensors.empty()) {
        TRY(l.make.expand(2 * std::int64_t{size}));
        scale = make_values(std::vector<float>(static_cast<std::size_t>(size), 1.0F));
        shift = make_values(std::vector<float>(static_cast<std::size_t>(size), 0.0F));
    }
    const int last = static_cast<int>(shape.size()) - 1;
    if (l.type == "LayerNorm") return l.simple(op::LayerNorm{last, epsilon, scale, shift});
    if (l.type == "RMSNorm") return l.simple(op::RmsNorm{last, epsilon, scale});
    if (l.type == "InstanceNorm") return l.simple(op::InstanceNorm{epsilon, scale, shift});
    return l.simple(op::GroupNorm{l.whole("0", 1), epsilon, scale, shift});
}

Result<void> padding(NcnnLayer& l) {
    TRY(const int from, l.node());
    const int kind = l.whole("4", 0);
    if (l.whole("7", 0) != 0 || l.whole("8", 0) != 0 || (kind != 0 && kind != 2) ||
        (kind == 0 && l.number("5", 0) != 0))
        return unsupported("padding other than of a picture's edges with zeros or by reflection");
    op::Pad pad{kind == 2 ? op::Pad::Mode::reflect : op::Pad::Mode::zeros, l.whole("0", 0), l.whole("2", 0),
                l.whole("1", 0), l.whole("3", 0)};
    TRY(const int made, l.make.pad(from, pad));
    return l.define(made);
}

// By offsets at both ends, by lists like ONNX's Slice, or to the size of another.
Result<void> crop(NcnnLayer& l) {
    TRY(int from, l.node());
    if (const auto* begins = l.list("9"), *ends = l.list("10"); begins && ends) {
        const auto* axes = l.list("11");
        if (ends->size() != begins->size() || (axes && axes->size() != begins->size()))
            return malformed("lists of different sizes");
        for (std::size_t i = 0; i < begins->size(); ++i) {
            const int rank = static_cast<int>(l.make.shape(from).size());
            const double given = axes ? (*axes)[i] : static_cast<double>(i);
            if (!(given >= -rank && given < rank)) return malformed("axis " + std::to_string(given));
            const auto place = [](double at) {
                return at <= -233 && at > -234
                           ? op::Slice::kEnd
                           : static_cast<int>(std::clamp(at, -double{op::Slice::kEnd}, double{op::Slice::kEnd}));
            };
            TRY(from, l.make.slice(from, static_cast<int>(given), place((*begins)[i]), place((*ends)[i]), 1));
        }
        return l.define(from);
    }
    const int left = l.whole("0", 0), top = l.whole("1", 0), first = l.whole("2", 0);
    if (l.make.shape(from).size() != 3 || left < 0 || top < 0 || first < 0)
        return unsupported("of " + text(l.make.shape(from)));
    if (l.count() == 2) {
        TRY(const int like, l.node(1));
        const Shape own = l.make.shape(from), wanted = l.make.shape(like);
        if (wanted.size() != 3 || first != 0) return unsupported("to " + text(wanted));
        for (const std::size_t side : {1U, 2U}) {
            const auto negative = product(own[side], -1);
            const auto less = negative ? sum(wanted[side], *negative) : negative;
            const int offset = side == 1 ? top : left;
            if (!less || !less->constant() || less->fixed + offset > 0)
                return unsupported("of " + text(own) + " to " + text(wanted));
            const auto rest = static_cast<int>(std::max<std::int64_t>(less->fixed + offset, -op::Slice::kEnd));
            TRY(from, l.make.slice(from, static_cast<int>(side), offset, rest == 0 ? op::Slice::kEnd : rest, 1));
        }
        return l.define(from);
    }
    for (const char* key : {"3", "4", "5"})
        if (const int size = l.whole(key, -233); size != -233 && size != 0) return unsupported("to a given size");
    const auto cut = [&](int axis, int begin, const char* end_key) -> Result<void> {
        const int end = l.whole(end_key, 0);
        TRY(from, l.make.slice(from, axis, begin, end > 0 ? -end : op::Slice::kEnd, 1));
        return {};
    };
    TRY(cut(0, first, "8"));
    TRY(cut(1, top, "7"));
    TRY(cut(2, left, "6"));
    return l.define(from);
}

Result<void> slice(NcnnLayer& l) {
    TRY(const int from, l.node());
    TRY(const int axis, l.axis("1", from));
    const auto* sizes = l.list("0");
    const std::size_t parts = l.layer.outputs.size();
    if (!sizes || sizes->size() != parts) return unsupported("at given places");
    const Extent side = l.make.shape(from)[static_cast<std::size_t>(axis)];
    int begin = 0;
    for (std::size_t i = 0; i < parts; ++i) {
        int size = static_cast<int>(std::clamp((*sizes)[i], -1e6, 1e6));
        if (size == -233) {
            if (!side.constant() || side.fixed <= begin) return unsupported("of " + side.text());
            size = static_cast<int>((side.fixed - begin) / static_cast<std::int64_t>(parts - i));
        }
        if (size < 1 || begin > (1 << 24)) return malformed("a part of " + std::to_string(size));
        TRY(const int part, l.make.slice(from, axis, begin, begin + size, 1));
        begin += size;
        TRY(l.define(part, i));
    }
    return {};
}

Result<void> concat(NcnnLayer& l) {
    std::vector<int> parts;
    for (std::size_t i = 0; i < l.count(); ++i) {
        TRY(const int part, l.node(i));
        parts.push_back(part);
    }
    TRY(const int axis, l.axis("0", parts[0]));
    TRY(const int made, l.make.concat(std::move(parts), axis));
    return l.define(made);
}

Result<void> pixel_shuffle(NcnnLayer& l) {
    if (l.whole("1", 0) != 0) return unsupported("channels in another order than PyTorch's");
    const int factor = l.whole("0", 1);
    TRY(const int from, l.node());
    if (factor == 1) return l.define(from);
    return l.type == "Reorg" ? l.simple(op::PixelUnshuffle{factor}) : l.simple(op::PixelShuffle{factor});
}

Result<void> reshape(NcnnLayer& l) {
    TRY(const int from, l.node());
    const Shape own = l.make.shape(from);
    Shape sides;
    int open = -1;
    std::optional<Extent> rest = volume(own);
    const char* const keys[] = {"2", "11", "1", "0"};  // outermost first
    for (std::size_t k = 0; k < 4; ++k) {
        const int given = l.whole(keys[k], -233);
        if (given == -233) continue;
        const std::size_t from_inside = 3 - k - (k == 0 && l.whole("11", -233) == -233 ? 1 : 0);
        Extent side(given);
        if (given == 0 && from_inside < own.size()) side = own[own.size() - 1 - from_inside];
        if (given == -1) {
            if (open >= 0) return malformed("two open sides");
            open = static_cast<int>(sides.size());
            side = 1;
        } else if (rest) {
            if (!side.constant()) return unsupported("a reshape of " + text(own));
            rest = side.fixed > 0 ? quotient(*rest, side.fixed) : std::nullopt;
        }
        sides.push_back(side);
    }
    if (open >= 0 && rest) sides[static_cast<std::size_t>(open)] = *rest;
    if (l.number("3", 0) != 0) return unsupported("a reshape that permutes");
    TRY(const int made, l.make.reshape(from, std::move(sides)));
    return l.define(made);
}

Result<void> permute(NcnnLayer& l) {
    TRY(const int from, l.node());
    static const std::vector<int> kOrders[] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int kind = l.whole("0", 0);
    const std::size_t rank = l.make.shape(from).size();
    std::vector<int> order{0, 1};
    if (rank == 2 && kind == 1)
        order = {1, 0};
    else if (rank == 3 && kind >= 0 && kind < 6)
        order = kOrders[kind];
    else if (rank != 2 || kind != 0)
        return unsupported("order " + std::to_string(kind) + " of " + text(l.make.shape(from)));
    TRY(const int made, l.make.transpose(from, std::move(order)));
    return l.define(made);
}

Result<void> softmax(NcnnLayer& l) {
    TRY(const int from, l.node());
    TRY(const int axis, l.axis("0", from));
    return l.simple(op::Softmax{axis});
}

Result<void> matmul(NcnnLayer& l) {
    TRY(const int a, l.node(0));
    TRY(int b, l.node(1));
    if (l.number("0", 0) != 0) {
        std::vector<int> order(l.make.shape(b).size());
        if (order.size() < 2) return malformed("a product with " + text(l.make.shape(b)));
        std::iota(order.begin(), order.end(), 0);
        std::swap(order[order.size() - 1], order[order.size() - 2]);
        TRY(b, l.make.transpose(b, std::move(order)));
    }
    TRY(const int made, l.make.matmul(a, b));
    return l.define(made);
}

Result<void> grid_sample(NcnnLayer& l) {
    TRY(const int from, l.node(0));
    TRY(int places, l.node(1));
    if (l.whole("0", 1) != 1 || l.whole("1", 1) < 1 || l.whole("1", 1) > 2)
        return unsupported("sampling other than bilinear, beyond the edge zeros or the edge");
    if (l.number("3", 0) == 0) {
        TRY(places, l.make.transpose(places, {2, 0, 1}));
    }
    op::GridSample what;
    what.beyond = l.whole("1", 1) == 2 ? op::GridSample::Beyond::border : op::GridSample::Beyond::zeros;
    what.align_corners = l.number("2", 0) != 0;
    TRY(const int made, l.make.put(what, {from, places}));
    return l.define(made);
}

Result<void> reduction(NcnnLayer& l) {
    const int kind = l.whole("0", 0);
    TRY(const int from, l.node());
    const auto* given = l.list("3");
    if ((kind != 0 && kind != 3) || l.number("1", 1) != 0 || l.number("2", 1) != 1 || l.number("4", 0) == 0 || !given)
        return unsupported("other than a sum or a mean along axes that stay");
    std::vector<int> axes;
    const int rank = static_cast<int>(l.make.shape(from).size());
    for (const double axis : *given) {
        if (!(axis >= -rank && axis < rank)) return malformed("axis " + std::to_string(axis));
        axes.push_back(static_cast<int>(axis));
    }
    TRY(const int made, l.make.reduce(from, std::move(axes), kind == 3));
    return l.define(made);
}

Result<void> clip(NcnnLayer& l) {
    return l.simple(op::Clamp{static_cast<float>(std::max(l.number("0", -3e38), -3e38)),
                              static_cast<float>(std::min(l.number("1", 3e38), 3e38))});
}

Result<void> same(NcnnLayer& l) {
    for (const std::string& name : l.layer.outputs) TRY(l.to.alias(l.layer.inputs[0], name));
    return {};
}

struct Rule {
    const char* type;
    Result<void> (*add)(NcnnLayer&);
    std::size_t inputs = 1;
    bool many_outputs = false;
};

const Rule kRules[] = {
    {"Split", same, 1, true},
    {"Noop", same, 1, true},
    {"Dropout", same, 1, true},
    {"Convolution", convolution},
    {"ConvolutionDepthWise", convolution},
    {"Deconvolution", deconvolution},
    {"DeconvolutionDepthWise", deconvolution},
    {"InnerProduct", inner_product},
    {"PReLU", prelu},
    {"ReLU", [](NcnnLayer& l) { return l.simple(op::LeakyRelu{static_cast<float>(l.number("0", 0))}); }},
    {"Sigmoid", [](NcnnLayer& l) { return l.simple(op::Sigmoid{}); }},
    {"Swish", [](NcnnLayer& l) { return l.simple(op::Silu{}); }},
    {"GELU", [](NcnnLayer& l) { return l.simple(op::Gelu{l.number("0", 0) != 0}); }},
    {"Mish", [](NcnnLayer& l) { return l.simple(op::Mish{}); }},
    {"TanH", [](NcnnLayer& l) { return l.simple(op::Tanh{}); }},
    {"AbsVal", [](NcnnLayer& l) { return l.simple(op::Abs{}); }},
    {"HardSwish",
     [](NcnnLayer& l) -> Result<void> {
         if (std::fabs(l.number("0", 0.2) - 1.0 / 6) > 1e-3 || std::fabs(l.number("1", 0.5) - 0.5) > 1e-6)
             return unsupported("with other numbers than 1/6 and 1/2");
         return l.simple(op::HardSwish{});
     }},
    {"HardSigmoid",
     [](NcnnLayer& l) -> Result<void> {
         TRY(const int from, l.node());
         TRY(const int moved, l.make.scale_shift(from, {l.number("0", 0.2)}, {l.number("1", 0.5)}));
         TRY(const int made, l.make.put(op::Clamp{0, 1}, {moved}));
         return l.define(made);
     }},
    {"UnaryOp", unary},
    {"BinaryOp", binary},
    {"Eltwise", eltwise, 2},
    {"Interp", interp},
    {"Scale", scale},
    {"Bias", bias},
    {"BatchNorm", batch_norm},
    {"LayerNorm", norm},
    {"GroupNorm", norm},
    {"InstanceNorm", norm},
    {"RMSNorm", norm},
    {"Pooling", pooling},
    {"Padding", padding},
    {"Crop", crop},
    {"Slice", slice, 1, true},
    {"Concat", concat},
    {"PixelShuffle", pixel_shuffle},
    {"Reorg", pixel_shuffle},
    {"Reshape", reshape},
    {"Permute", permute},
    {"Softmax", softmax},
    {"MatMul", matmul, 2},
    {"GridSample", grid_sample, 2},
    {"Reduction", reduction},
    {"Clip", clip},
};

Result<void> add_layer(Importer& to, const Layer& layer, int channels) {
    if (layer.outputs.empty()) return malformed("no output");
    Value value;
    if (layer.type == "Input") {
        if (!to.make.graph().nodes().empty()) return unsupported("a network with more than one input");
        TRY(value.node, to.make.put(op::Input{.channels = channels}, {}));
        value.shape = to.make.shape(value.node);
        return to.define(layer.outputs[0], std::move(value));
    }
    if (layer.type == "MemoryData") {
        if (layer.tensors.size() != 1) return malformed("no values");
        value.form = Value::Form::known;
        value.known = known(layer.tensors[0]);
        value.used = true;
        return to.define(layer.outputs[0], std::move(value));
    }
    NcnnLayer l(to, layer);
    for (const Rule& rule : kRules) {
        if (layer.type != rule.type) continue;
        if (layer.inputs.size() < rule.inputs)
            return malformed(layer.inputs.empty() ? "no input" : "two inputs are expected");
        if (layer.outputs.size() != 1 && !rule.many_outputs) return unsupported("more than one output");
        return rule.add(l);
    }
    return unsupported("this layer is not supported");
}

}  // namespace

namespace {

Result<ImportedGraph> import_graph(const StateDict& file, int channels, Rest rest) {
    Importer importer;
    importer.rest = rest;
    for (const Layer& layer : file.layers)
        if (auto added = add_layer(importer, layer, channels); !added.ok())
            return std::move(added.error())
                .within("layer '" + printable(layer.name) + "' (" + printable(layer.type) + ")");
    return importer.finish("");
}

}  // namespace

Result<ImportedGraph> import_ncnn(const StateDict& file, int channels) {
    const auto rounds = [](const Layer& layer) {
        const auto above_one = [&](const char* key) {
            const auto found = layer.numbers.find(key);
            return found != layer.numbers.end() && found->second > 1;
        };
        const bool windows = layer.type.starts_with("Convolution") && (above_one("3") || above_one("13"));
        return windows || (layer.type == "Pooling" && above_one("2"));
    };
    return import_in_whole(std::any_of(file.layers.begin(), file.layers.end(), rounds),
                           [&](Rest rest) { return import_graph(file, channels, rest); });
}

}  // namespace enlarge
