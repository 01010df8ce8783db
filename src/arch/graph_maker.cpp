// SPDX-License-Identifier: Apache-2.0
#include "arch/graph_maker.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/traits.hpp"

namespace enlarge {
namespace {

constexpr std::size_t kMostParts = 64;  // of a concatenation that is made of others
constexpr std::int64_t kMostExpanded = std::int64_t{1} << 26;
constexpr int kMostDepth = 8;  // of sums and products that are looked through

bool nearly(double a, double b) {
    return std::fabs(a - b) <= 2e-3 * std::max(1e-3, std::fabs(b));
}  // a half's rounding

bool all_are(const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
}
bool all_are(const Values& values, float wanted) {
    return std::all_of(values->begin(), values->end(), [&](float v) { return v == wanted; });
}
bool uniform(const Values& values) { return values && !values->empty() && all_are(values, values->front()); }

double at(const std::vector<double>& numbers, std::size_t channel, double none) {
    return numbers.empty() ? none : numbers[numbers.size() == 1 ? 0 : channel];
}

Values many(std::int64_t count, float value) {
    return make_values(std::vector<float>(static_cast<std::size_t>(count), value));
}

bool is_identity(const std::vector<int>& order) {
    for (std::size_t i = 0; i < order.size(); ++i)
        if (order[i] != static_cast<int>(i)) return false;
    return true;
}

}  // namespace

Result<void> GraphMaker::expand(std::int64_t numbers) {
    expanded_ += numbers;
    if (expanded_ > kMostExpanded)
        return Error{Errc::limit, "more than " + std::to_string(kMostExpanded) + " repeated or computed constants"};
    return {};
}

Result<int> GraphMaker::put(Operation op, std::vector<int> from) {
    return graph_.add({std::move(op), std::move(from)});
}

Result<int> GraphMaker::put_once(Operation op, std::vector<int> from) {
    constexpr int kLookedAt = 64;
    const int last = static_cast<int>(graph_.nodes().size()) - 1;
    for (int i = last; i >= 0 && i > last - kLookedAt; --i)
        if (node(i).inputs == from && node(i).op == op) return i;
    return put(std::move(op), std::move(from));
}

Result<int> GraphMaker::constant(std::vector<int> sides, Values values) {
    return put(op::Constant{std::move(sides), std::move(values)}, {});
}

bool GraphMaker::has_channels(int x) const { return shape(x).size() == 3 && shape(x)[0].constant(); }

std::size_t GraphMaker::axis_from_front(int x, int axis) const {
    return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(shape(x).size()) : axis);
}

GraphMaker::Line GraphMaker::line(int x, int depth) const {
    const Node& n = node(x);
    const auto single = [&](int i) -> const Values* {
        const auto* constant = node(i).as<op::Constant>();
        return constant && constant->values.count() == 1 ? &constant->values : nullptr;
    };
    if (depth >= kMostDepth) return {x};
    if (const auto* affine = n.as<op::ScaleShift>(); affine && uniform(affine->scale) && uniform(affine->shift)) {
        const Line inner = line(n.inputs[0], depth + 1);
        const double scale = double{affine->scale->front()}, shift = double{affine->shift->front()};
        return {inner.of, inner.factor * scale, inner.shift * scale + shift};
    }
    if (n.is<op::Multiply>() || n.is<op::Add>())
        for (const std::size_t k : {1U, 0U}) {
            const Values* number = single(n.inputs[k]);
            const int other = n.inputs[1 - k];
            if (!number || shape(other) != n.shape) continue;
            const auto* sum = n.as<op::Add>();
            const double factor = sum ? double{k == 1 ? sum->alpha : sum->beta} : double{(*number)->front()};
            const double shift = sum ? double{k == 1 ? sum->beta : sum->alpha} * double{(*number)->front()} : 0;
            const Line inner = line(other, depth + 1);
            return {inner.of, inner.factor * factor, inner.shift * factor + shift};
        }
    return {x};
}

std::optional<GraphMaker::Numbers> GraphMaker::polynomial(int i, int x, int depth) const {
    if (i == x) return Numbers{0, 1, 0, 0};
    const Node& n = node(i);
    if (depth >= kMostDepth) return {};
    const auto of = [&](std::size_t k) { return polynomial(n.inputs[k], x, depth + 1); };
    if (const auto* constant = n.as<op::Constant>(); constant && constant->values.count() == 1)
        return Numbers{double{constant->values->front()}, 0, 0, 0};
    if (const auto* affine = n.as<op::ScaleShift>(); affine && uniform(affine->scale) && uniform(affine->shift)) {
        auto inner = of(0);
        if (!inner) return {};
        for (double& number : *inner) number *= double{affine->scale->front()};
        (*inner)[0] += double{affine->shift->front()};
        return inner;
    }
    if (!n.is<op::Add>() && !n.is<op::Multiply>()) return {};
    const auto a = of(0), b = a ? of(1) : std::nullopt;
    if (!a || !b) return {};
    Numbers result(4, 0);
    if (const auto* sum = n.as<op::Add>()) {
        for (std::size_t k = 0; k < 4; ++k) result[k] = double{sum->alpha} * (*a)[k] + double{sum->beta} * (*b)[k];
        return result;
    }
    for (std::size_t k = 0; k < 4; ++k)
        for (std::size_t m = 0; m < 4; ++m) {
            const double product = (*a)[k] * (*b)[m];
            if (k + m < 4)
                result[k + m] += product;
            else if (product != 0)
                return {};
        }
    return result;
}

// ---- sums and products ----

Result<std::optional<int>> GraphMaker::after_norm(int x, const Numbers& factor, const Numbers& shift) {
    const Node& n = node(x);
    const auto apply = [&](auto norm) -> Result<std::optional<int>> {
        std::vector<float> scale, moved;
        for (std::size_t c = 0; c < static_cast<std::size_t>(norm.scale.count()); ++c) {
            scale.push_back(static_cast<float>(double{(*norm.scale)[c]} * at(factor, c, 1)));
            if constexpr (requires { norm.shift; })
                moved.push_back(static_cast<float>(double{(*norm.shift)[c]} * at(factor, c, 1) + at(shift, c, 0)));
        }
        norm.scale = make_values(std::move(scale));
        if constexpr (requires { norm.shift; }) norm.shift = make_values(std::move(moved));
        TRY(const int made, put(std::move(norm), {node(x).inputs[0]}));
        return std::optional(made);
    };
    const auto fits = [&](const Values& scale) {
        for (const Numbers* numbers : {&factor, &shift})
            if (numbers->size() > 1 && numbers->size() != static_cast<std::size_t>(scale.count())) return false;
        return true;
    };
    if (const auto* norm = n.as<op::GroupNorm>(); norm && fits(norm->scale)) return apply(*norm);
    if (const auto* norm = n.as<op::InstanceNorm>(); norm && fits(norm->scale)) return apply(*norm);
    if (const auto* norm = n.as<op::LayerNorm>(); norm && fits(norm->scale)) return apply(*norm);
    if (const auto* norm = n.as<op::RmsNorm>(); norm && shift.empty() && fits(norm->scale)) return apply(*norm);
    return std::optional<int>();
}

Result<int> GraphMaker::per_channel(int x, Numbers factor, Numbers shift) {
    if (const auto* before = node(x).as<op::ScaleShift>()) {
        const auto channels = static_cast<std::size_t>(before->scale.count());
        Numbers scale(channels), moved(channels);
        for (std::size_t c = 0; c < channels; ++c) {
            scale[c] = double{(*before->scale)[c]} * at(factor, c, 1);
            moved[c] = double{(*before->shift)[c]} * at(factor, c, 1) + at(shift, c, 0);
        }
        factor = std::move(scale);
        shift = std::move(moved);
        x = node(x).inputs[0];
    }
    if ((factor.empty() || all_are(factor, 1)) && (shift.empty() || all_are(shift, 0))) return x;
    const bool along_channels = [&] {
        if (const auto* norm = node(x).as<op::LayerNorm>()) return axis_from_front(x, norm->axis) == 0;
        if (const auto* norm = node(x).as<op::RmsNorm>()) return axis_from_front(x, norm->axis) == 0;
        return true;
    }();
    if (along_channels) {
        const bool none = shift.empty() || all_are(shift, 0);
        TRY(const auto merged, after_norm(x, factor, none ? Numbers() : shift));
        if (merged) return *merged;
    }
    const std::int64_t channels = shape(x)[0].fixed;
    TRY(expand(channels * 2));
    std::vector<float> scale, moved;
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
        scale.push_back(static_cast<float>(at(factor, c, 1)));
        moved.push_back(static_cast<float>(at(shift, c, 0)));
    }
    return put(op::ScaleShift{make_values(std::move(scale)), make_values(std::move(moved))}, {x});
}

// One number for all of a tensor that has no channels.
Result<int> GraphMaker::repeated(int x, double factor, double shift) {
    if (factor != 1) {
        if (const auto* product = node(x).as<op::MatMul>(); product && !node(x).inputs.empty()) {
            op::MatMul scaled = *product;
            scaled.scale = static_cast<float>(double{scaled.scale} * factor);
            TRY(x, put(scaled, node(x).inputs));
        } else {
            TRY(const int number, constant({1}, make_values({static_cast<float>(factor)})));
            TRY(x, put(op::Multiply{}, {x, number}));
        }
    }
    if (shift == 0) return x;
    TRY(const int number, constant({1}, make_values({static_cast<float>(shift)})));
    return put(op::Add{}, {x, number});
}

Result<int> GraphMaker::scale_shift(int x, const Numbers& factor, const Numbers& shift) {
    for (const Numbers* numbers : {&factor, &shift})
        if (numbers->size() > 1 &&
            (!has_channels(x) || static_cast<std::int64_t>(numbers->size()) != shape(x)[0].fixed))
            return Error{Errc::unsupported, std::to_string(numbers->size()) + " factors for " + text(shape(x))};
    if (node(x).is<op::MatMul>() && factor.size() == 1 && shift.empty()) return repeated(x, factor[0], 0);
    if (has_channels(x)) return per_channel(x, factor, shift);
    const Line inner = line(x);
    const double scale = at(factor, 0, 1);
    return repeated(inner.of, inner.factor * scale, inner.shift * scale + at(shift, 0, 0));
}

Result<int> GraphMaker::add(int a, int b, double alpha, double beta) {
    // One factor for all numbers becomes part of the sum.
    const Line first = line(a), second = line(b);
    if (first.shift == 0 && shape(first.of) == shape(a)) {
        a = first.of;
        alpha *= first.factor;
    }
    if (second.shift == 0 && shape(second.of) == shape(b)) {
        b = second.of;
        beta *= second.factor;
    }
    // Biases and shifts along the innermost axis.
    for (const bool swapped : {false, true}) {
        const int x = swapped ? b : a, number = swapped ? a : b;
        const auto* shift = node(number).as<op::Constant>();
        if (!shift || shape(x).empty() || alpha != 1 || beta != 1) continue;
        if (shift->values.count() != static_cast<std::int64_t>(shift->sides.empty() ? 1 : shift->sides.back()))
            continue;
        if (shape(x).back() != Extent(shift->values.count())) continue;
        if (const auto* linear = node(x).as<op::Linear>(); linear && all_are(linear->bias, 0)) {
            op::Linear with_bias = *linear;
            with_bias.bias = shift->values;
            return put(std::move(with_bias), node(x).inputs);
        }
        if (const auto* norm = node(x).as<op::LayerNorm>();
            norm && axis_from_front(x, norm->axis) + 1 == shape(x).size()) {
            TRY(const auto merged, after_norm(x, {}, Numbers(shift->values->begin(), shift->values->end())));
            if (merged) return *merged;
        }
    }
    return put_once(op::Add{static_cast<float>(alpha), static_cast<float>(beta)}, {a, b});
}

// a * b where b is a gate made from a.
Result<std::optional<int>> GraphMaker::gated(int a, int b) {
    const auto made = [&](Operation op, std::vector<int> from, double factor = 1) -> Result<std::optional<int>> {
        TRY(const int gate, put(std::move(op), std::move(from)));
        TRY(const int scaled, scale_shift(gate, {factor}, {}));
        return std::optional(scaled);
    };
    if (node(b).is<op::Sigmoid>() && node(b).inputs[0] == a) return made(op::Silu{}, {a});
    const Line gate = line(b);
    if (node(gate.of).is<op::Sigmoid>() && gate.factor == 1 && nearly(gate.shift, -0.5)) {
        const int o = node(gate.of).inputs[0];
        const auto* sum = node(a).as<op::Add>();
        if (sum && sum->alpha == 1 && sum->beta == 1 && shape(node(a).inputs[0]) == shape(node(a).inputs[1])) {
            const std::vector<int>& parts = node(a).inputs;
            if (parts[0] == o) return made(op::SpanGate{}, {o, parts[1]});
            if (parts[1] == o) return made(op::SpanGate{}, {o, parts[0]});
        }
    }
    const Line own = line(a);
    if (own.shift != 0) return std::optional<int>();
    const int x = own.of;
    if (const auto* clamp = node(gate.of).as<op::Clamp>(); clamp && gate.shift == 0 && clamp->low == 0) {
        const auto inner = polynomial(node(gate.of).inputs[0], x);
        const bool steep = inner && nearly((*inner)[0], 3) && nearly((*inner)[1], 1) && clamp->high == 6;
        const bool flat = inner && nearly((*inner)[0], 0.5) && nearly((*inner)[1], 1.0 / 6) && clamp->high == 1;
        if ((steep || flat) && (*inner)[2] == 0 && (*inner)[3] == 0)
            return made(op::HardSwish{}, {x}, own.factor * gate.factor * (steep ? 6 : 1));
    }
    if (node(gate.of).is<op::Tanh>() && nearly(gate.factor, gate.shift)) {
        const auto inner = polynomial(node(gate.of).inputs[0], x);
        if (inner && (*inner)[0] == 0 && nearly((*inner)[1], 0.7978845608) && (*inner)[2] == 0 &&
            nearly((*inner)[3], 0.7978845608 * 0.044715))
            return made(op::Gelu{true}, {x}, 2 * own.factor * gate.factor);
    }
    return std::optional<int>();
}

Result<std::optional<int>> GraphMaker::gelu(int x, int y, double factor) {
    Line own = line(x);
    if (own.shift != 0) own = {x};
    const auto inner = polynomial(y, own.of);
    if (!inner || !nearly((*inner)[1], 0.7071067812) || (*inner)[0] != 0 || (*inner)[2] != 0 ||
        (*inner)[3] != 0)
        return std::optional<int>();
    TRY(const int gate, put(op::Gelu{false}, {own.of}));
    TRY(const int scaled, scale_shift(gate, {2 * own.factor * factor}, {}));
    return std::optional(scaled);
}

Result<int> GraphMaker::multiply(int a, int b) {
    for (const bool swapped : {false, true}) {
        TRY(const auto gate, gated(swapped ? b : a, swapped ? a : b));
        if (gate) return *gate;
    }
    // Factors along the innermost axis of a normalisation.
    for (const bool swapped : {false, true}) {
        const int x = swapped ? b : a, number = swapped ? a : b;
        const auto* factor = node(number).as<op::Constant>();
        if (!factor || shape(x).empty() || shape(x).back() != Extent(factor->values.count())) continue;
        if (factor->sides.empty() || factor->values.count() != factor->sides.back()) continue;
        const auto* layer = node(x).as<op::LayerNorm>();
        const auto* rms = node(x).as<op::RmsNorm>();
        if ((!layer && !rms) || axis_from_front(x, layer ? layer->axis : rms->axis) + 1 != shape(x).size()) continue;
        TRY(const auto merged, after_norm(x, Numbers(factor->values->begin(), factor->values->end()), {}));
        if (merged) return *merged;
    }
    return put(op::Multiply{}, {a, b});
}

// ---- means and normalisations ----

Result<int> GraphMaker::reduce(int x, std::vector<int> axes, bool mean) {
    for (int& axis : axes) axis = static_cast<int>(axis_from_front(x, axis));
    std::sort(axes.begin(), axes.end());
    axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
    if (has_channels(x) && mean && axes == std::vector<int>{1, 2}) return put_once(op::GlobalMean{}, {x});
    for (const int axis : axes) {
        const Extent side = shape(x)[static_cast<std::size_t>(axis)];
        if (side == Extent(1)) continue;
        if (!side.constant())
            return Error{Errc::unsupported, std::string("a ") + (mean ? "mean" : "sum") + " along axis " +
                                                std::to_string(axis) + " of " + text(shape(x))};
        TRY(expand(side.fixed));
        const Values weights = many(side.fixed, mean ? 1.0F / static_cast<float>(side.fixed) : 1.0F);
        if (axis == 0 && has_channels(x)) {
            TRY(x, put_once(op::Conv2d{.weights = weights, .bias = many(1, 0)}, {x}));
            continue;
        }
        std::vector<int> order(shape(x).size());
        std::iota(order.begin(), order.end(), 0);
        std::swap(order[static_cast<std::size_t>(axis)], order.back());
        TRY(x, transpose(x, order));
        TRY(x, put_once(op::Linear{weights, many(1, 0)}, {x}));
        TRY(x, transpose(x, order));
    }
    return x;
}

std::optional<GraphMaker::Reduction> GraphMaker::reduction(int x) const {
    const Node& n = node(x);
    if (n.is<op::GlobalMean>()) return Reduction{n.inputs[0], -1, true};
    const auto kind = [](const Values& weights, const Values& bias) -> std::optional<bool> {
        if (bias.count() != 1 || bias->front() != 0 || !uniform(weights)) return {};
        if (weights->front() == 1 && weights.count() > 1) return false;
        return nearly(double{weights->front()} * static_cast<double>(weights.count()), 1) ? std::optional(true)
                                                                                          : std::nullopt;
    };
    if (const auto* conv = n.as<op::Conv2d>(); conv && conv->same_kernel() == 1)
        if (const auto mean = kind(conv->weights, conv->bias)) return Reduction{n.inputs[0], 0, *mean};
    if (const auto* linear = n.as<op::Linear>())
        if (const auto mean = kind(linear->weights, linear->bias))
            return Reduction{n.inputs[0], static_cast<int>(shape(n.inputs[0]).size()) - 1, *mean};
    return {};
}

Result<std::optional<int>> GraphMaker::divide(int a, int b) {
    const std::optional<int> none;
    double least = 0;
    int root = b;
    if (const auto* clamp = node(b).as<op::Clamp>()) {
        least = double{clamp->low};
        root = node(b).inputs[0];
    } else if (node(b).is<op::Maximum>()) {
        for (const std::size_t k : {0U, 1U}) {
            const auto* constant = node(node(b).inputs[k]).as<op::Constant>();
            if (!constant || constant->values.count() != 1) continue;
            least = double{constant->values->front()};
            root = node(b).inputs[1 - k];
        }
    }
    if (!node(root).is<op::Sqrt>()) return none;
    const Line under = line(node(root).inputs[0]);
    const auto sum = reduction(under.of);
    if (!sum || under.factor != 1 || !node(sum->of).is<op::Multiply>()) return none;
    if (node(sum->of).inputs[0] != a || node(sum->of).inputs[1] != a) return none;
    const auto made = [&](Operation op, int from) -> Result<std::optional<int>> {
        TRY(const int norm, put(std::move(op), {from}));
        return std::optional(norm);
    };
    if (!sum->mean) {
        if (under.shift != 0 || least <= 0) return none;
        return made(op::L2Norm{sum->axis, static_cast<float>(least)}, a);
    }
    if (least > 0 || under.shift < 0) return none;
    const auto epsilon = static_cast<float>(under.shift);
    const std::int64_t channels = shape(a)[sum->axis < 0 ? 0 : static_cast<std::size_t>(sum->axis)].fixed;
    TRY(expand(channels));
    // Of what its own mean was taken from.
    const auto* centred = node(a).as<op::Add>();
    if (centred && centred->alpha == 1 && centred->beta == -1) {
        const auto mean = reduction(node(a).inputs[1]);
        const int x = node(a).inputs[0];
        if (mean && mean->mean && mean->of == x && mean->axis == sum->axis) {
            if (sum->axis < 0) return made(op::InstanceNorm{epsilon, many(channels, 1), many(channels, 0)}, x);
            return made(op::LayerNorm{sum->axis, epsilon, many(channels, 1), many(channels, 0)}, x);
        }
    }
    if (sum->axis < 0) return none;
    return made(op::RmsNorm{sum->axis, epsilon, many(channels, 1)}, a);
}

// ---- moves ----

Result<std::optional<int>> GraphMaker::as_roll(const std::vector<int>& parts, int axis) {
    if (parts.size() != 2 || axis < 1 || axis > 2) return std::optional<int>();
    const auto tail_of = [&](int part, bool front) -> int {  // how many rows of the slice at one end, or 0
        const auto* slice = node(part).as<op::Slice>();
        if (!slice || slice->step != 1 || static_cast<int>(axis_from_front(part, slice->axis)) != axis) return 0;
        if (front) return slice->begin == 0 && slice->end > 0 && slice->end != op::Slice::kEnd ? slice->end : 0;
        return slice->begin < 0 && slice->end == op::Slice::kEnd ? -slice->begin : 0;
    };
    const auto rest_of = [&](int part, bool front) -> int {  // how many rows are cut off at one end
        const auto* crop = node(part).as<op::Crop>();
        if (!crop) return 0;
        const int rows = front ? crop->top : crop->bottom, columns = front ? crop->left : crop->right;
        if (crop->top + crop->bottom + crop->left + crop->right != (axis == 1 ? rows : columns)) return 0;
        return axis == 1 ? rows : columns;
    };
    const int last = tail_of(parts[0], false), first = tail_of(parts[1], true);
    int by = 0;
    if (last > 0 && rest_of(parts[1], false) == last) by = last;
    if (first > 0 && rest_of(parts[0], true) == first) by = -first;
    const int x = node(parts[0]).inputs.empty() ? -1 : node(parts[0]).inputs[0];
    if (by == 0 || x != node(parts[1]).inputs[0] || !node(x).picture()) return std::optional<int>();
    op::Roll roll{axis == 1 ? by : 0, axis == 2 ? by : 0};
    int from = x;
    if (const auto* before = node(x).as<op::Roll>(); before && (axis == 1 ? before->rows : before->columns) == 0) {
        roll.rows += before->rows;
        roll.columns += before->columns;
        from = node(x).inputs[0];
    }
    TRY(const int rolled, put(roll, {from}));
    return std::optional(rolled);
}

Result<int> GraphMaker::concat(std::vector<int> parts, int axis) {
    if (parts.size() == 1) return parts[0];
    TRY(const auto roll, as_roll(parts, axis));
    if (roll) return *roll;
    std::vector<int> flat;
    for (const int part : parts) {
        const auto* join = node(part).as<op::Concat>();
        if (join && shape(part).size() == shape(parts[0]).size() &&
            axis_from_front(part, join->axis) == axis_from_front(part, axis))
            flat.insert(flat.end(), node(part).inputs.begin(), node(part).inputs.end());
        else
            flat.push_back(part);
        if (flat.size() > kMostParts) break;
    }
    return put(op::Concat{axis}, flat.size() > kMostParts ? std::move(parts) : std::move(flat));
}

// C f f H W -> C H f W f, or C H f W f -> C f f H W, between reshapes of pictures.
Result<std::optional<int>> GraphMaker::as_shuffle(int x, const Shape& sides) {
    const auto* turn = node(x).as<op::Transpose>();
    if (!turn || sides.size() != 3) return std::optional<int>();
    const int split = node(x).inputs[0];
    const auto* parts = node(split).as<op::Reshape>();
    if (!parts || parts->sides.size() != 5) return std::optional<int>();
    const int source = node(split).inputs[0];
    const Shape& from = shape(source);
    if (!node(source).picture()) return std::optional<int>();
    const bool shuffle = turn->order == std::vector<int>{0, 3, 1, 4, 2};
    const bool unshuffle = turn->order == std::vector<int>{0, 2, 4, 1, 3};
    const Extent& f = parts->sides[shuffle ? 1 : 2];
    if ((!shuffle && !unshuffle) || !f.constant() || f.fixed < 2 || f.fixed > 64 || parts->sides[shuffle ? 2 : 4] != f)
        return std::optional<int>();
    const int factor = static_cast<int>(f.fixed);
    if (shuffle && !same({parts->sides[3], parts->sides[4]}, {from[1], from[2]})) return std::optional<int>();
    if (unshuffle && parts->sides[0] != from[0]) return std::optional<int>();
    const Operation op = shuffle ? Operation(op::PixelShuffle{factor}) : Operation(op::PixelUnshuffle{factor});
    TRY(const int moved, put(op, {source}));
    return same(shape(moved), sides) ? std::optional(moved) : std::nullopt;
}

// Groups as channels of an instance normalisation.
Result<std::optional<int>> GraphMaker::as_group_norm(int x, const Shape& sides) {
    const auto* norm = node(x).as<op::InstanceNorm>();
    if (!norm || sides.size() != 3 || !sides[0].constant()) return std::optional<int>();
    const int split = node(x).inputs[0];
    if (!node(split).is<op::Reshape>() || !same(shape(node(split).inputs[0]), sides)) return std::optional<int>();
    const std::int64_t groups = norm->scale.count(), channels = sides[0].fixed;
    if (groups < 1 || channels % groups != 0) return std::optional<int>();
    TRY(expand(channels * 2));
    op::GroupNorm grouped{static_cast<int>(groups), norm->epsilon, {}, {}};
    std::vector<float> scale, shift;
    for (std::int64_t c = 0; c < channels; ++c) {
        const auto group = static_cast<std::size_t>(c / (channels / groups));
        scale.push_back((*norm->scale)[group]);
        shift.push_back((*norm->shift)[group]);
    }
    grouped.scale = make_values(std::move(scale));
    grouped.shift = make_values(std::move(shift));
    TRY(const int made, put(std::move(grouped), {node(split).inputs[0]}));
    return std::optional(made);
}

bool GraphMaker::same(const Shape& a, const Shape& b) const {
    if (a == b || !own || a.size() != b.size()) return a == b;
    return std::equal(a.begin(), a.end(), b.begin(),
                      [&](const Extent& x, const Extent& y) { return x.at(*own) == y.at(*own); });
}

// A reshape that is no other operation.
Result<int> GraphMaker::as_shaped(int x, Shape sides) {
    if (sides == shape(x)) return x;
    const auto from = volume(shape(x)), to = volume(sides);
    if (own && (!from || !to || *from != *to))
        return put(op::Reshape{std::move(sides), own->height, own->width}, {x});
    return put(op::Reshape{std::move(sides)}, {x});
}

Result<int> GraphMaker::reshape(int x, Shape sides) {
    if (sides == shape(x)) return x;
    TRY(const auto shuffle, as_shuffle(x, sides));
    if (shuffle) return as_shaped(*shuffle, std::move(sides));
    TRY(const auto norm, as_group_norm(x, sides));
    if (norm) return as_shaped(*norm, std::move(sides));
    if (node(x).is<op::Reshape>()) return reshape(node(x).inputs[0], std::move(sides));
    return as_shaped(x, std::move(sides));
}

Result<int> GraphMaker::transpose(int x, std::vector<int> order) {
    if (is_identity(order)) return x;
    const auto composed = [&](const std::vector<int>& before) {
        std::vector<int> both;
        for (const int axis : order) both.push_back(before[static_cast<std::size_t>(axis)]);
        return both;
    };
    const auto fits = [&](const std::vector<int>& before) {
        return before.size() == order.size() && std::all_of(order.begin(), order.end(), [&](int axis) {
                   return axis >= 0 && axis < static_cast<int>(before.size());
               });
    };
    if (const auto* before = node(x).as<op::Transpose>(); before && fits(before->order))
        return transpose(node(x).inputs[0], composed(before->order));
    // A normalisation along the innermost axis, to which it was only moved for that.
    if (const auto* norm = node(x).as<op::LayerNorm>(); norm && axis_from_front(x, norm->axis) + 1 == shape(x).size()) {
        const int turned = node(x).inputs[0];
        if (const auto* before = node(turned).as<op::Transpose>();
            before && fits(before->order) && is_identity(composed(before->order))) {
            op::LayerNorm own = *norm;
            own.axis = before->order.back();
            return put(std::move(own), node(turned).inputs);
        }
    }
    return put(op::Transpose{std::move(order)}, {x});
}

Result<int> GraphMaker::slice(int x, int axis, int begin, int end, int step) {
    const std::size_t side = axis_from_front(x, axis);
    const Extent whole = shape(x)[side];
    if (whole.constant()) {
        // What lies beyond a constant side is cut off, as other frameworks do.
        const auto inside = [&](std::int64_t at) {
            return std::clamp<std::int64_t>(at < 0 ? at + whole.fixed : at, 0, whole.fixed);
        };
        begin = static_cast<int>(inside(begin));
        end = end == op::Slice::kEnd || inside(end) == whole.fixed ? op::Slice::kEnd : static_cast<int>(inside(end));
    }
    if (begin == 0 && end == op::Slice::kEnd && step == 1) return x;
    const bool picture = is_picture(shape(x));
    if (picture && side > 0 && step == 1 && begin >= 0 && (end < 0 || end == op::Slice::kEnd)) {
        const int rest = end == op::Slice::kEnd ? 0 : -end;
        op::Crop crop;
        (side == 1 ? crop.top : crop.left) = begin;
        (side == 1 ? crop.bottom : crop.right) = rest;
        int from = x;
        if (const auto* before = node(x).as<op::Crop>()) {
            crop = {crop.top + before->top, crop.left + before->left, crop.bottom + before->bottom,
                    crop.right + before->right};
            from = node(x).inputs[0];
        }
        return put(crop, {from});
    }
    return put(op::Slice{static_cast<int>(side), begin, end, step}, {x});
}

Result<int> GraphMaker::pad(int x, op::Pad what) {
    op::Crop crop;
    for (const auto& [add, cut] : {std::pair{&what.top, &crop.top},
                                   {&what.left, &crop.left},
                                   {&what.bottom, &crop.bottom},
                                   {&what.right, &crop.right}})
        if (*add < 0) {
            *cut = *add == INT32_MIN ? INT32_MAX : -*add;
            *add = 0;
        }
    if (crop != op::Crop{}) {
        TRY(x, put(crop, {x}));
    }
    if (what.top == 0 && what.left == 0 && what.bottom == 0 && what.right == 0) return x;
    return put(what, {x});
}

Result<int> GraphMaker::repeat(int x, int axis, int times) {
    constexpr int kMostTimes = 256;
    if (times == 1) return x;
    if (times < 1 || times > kMostTimes)
        return Error{Errc::unsupported, "a tensor that is repeated " + std::to_string(times) + " times"};
    const auto along = axis_from_front(x, axis);
    // Each channel of a picture so many times: a convolution that only picks is faster than copies of rows.
    const Shape own = shape(x);
    if (own.size() == 4 && own[1] == Extent(1) && along == 1 && own[0].constant()) {
        const std::int64_t channels = own[0].fixed, all = channels * times;
        TRY(expand(all * channels));
        TRY(const int picture, reshape(x, {own[0], own[2], own[3]}));
        std::vector<float> pick(static_cast<std::size_t>(all * channels));
        for (std::int64_t i = 0; i < all; ++i) pick[static_cast<std::size_t>(i * channels + i / times)] = 1;
        TRY(const int made, put(op::Conv2d{.weights = make_values(std::move(pick)), .bias = many(all, 0)}, {picture}));
        return reshape(made, {own[0], times, own[2], own[3]});
    }
    return put(op::Concat{static_cast<int>(along)}, std::vector<int>(static_cast<std::size_t>(times), x));
}

Result<int> GraphMaker::matmul(int a, int b) {
    op::MatMul product;
    if (const auto* turn = node(b).as<op::Transpose>()) {
        std::vector<int> swapped(turn->order.size());
        std::iota(swapped.begin(), swapped.end(), 0);
        if (swapped.size() >= 2) std::swap(swapped[swapped.size() - 1], swapped[swapped.size() - 2]);
        if (turn->order == swapped) {
            product.transpose_b = true;
            b = node(b).inputs[0];
        }
    }
    return put(product, {a, b});
}

Result<int> GraphMaker::linear(int x, Values weights, Values bias) {
    if (!bias) {
        const std::int64_t in = shape(x).empty() || !shape(x).back().constant() ? 0 : shape(x).back().fixed;
        if (in < 1 || weights.count() % in != 0)
            return Error{Errc::format, std::to_string(weights.count()) + " weights for " + text(shape(x))};
        TRY(expand(weights.count() / in));
        bias = many(weights.count() / in, 0);
    }
    return put(op::Linear{std::move(weights), std::move(bias)}, {x});
}

}  // namespace enlarge
