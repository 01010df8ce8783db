// SPDX-License-Identifier: Apache-2.0
// ONNX's operators that compute number by number or along an axis, and products of matrices.
#include <map>

#include "arch/onnx_node.hpp"

namespace enlarge::onnx_import {
namespace {

// ---- number by number ----

Result<void> simple(OnnxNode& n, Operation op) {
    TRY(const int from, n.node(0));
    TRY(const int made, n.make.put(std::move(op), {from}));
    return n.define(made, n.operand(0).shape);
}

Result<void> clip(OnnxNode& n) {
    const auto bound = [&](std::size_t slot, const char* key, double otherwise) -> Result<double> {
        if (!n.has(slot)) return n.number(key, otherwise);
        TRY(const Known* const numbers, n.expect_constant(slot, "a bound"));
        if (numbers->count() != 1) return malformed(std::to_string(numbers->count()) + " bounds");
        return numbers->value(0);
    };
    TRY(const double low, bound(1, "min", -3e38));
    TRY(const double high, bound(2, "max", 3e38));
    if (n.has(0) && n.operand(0).form == Form::length && high >= 3e38) return at_least(n, n.operand(0), low);
    return simple(n, op::Clamp{static_cast<float>(std::max(low, -3e38)), static_cast<float>(std::min(high, 3e38))});
}

Result<void> prelu(OnnxNode& n) {
    TRY(const int from, n.node(0));
    TRY(const Known* const slopes, n.expect_constant(1, "a slope"));
    const Shape& shape = n.make.shape(from);
    const std::int64_t channels = shape.size() == 3 && shape[0].constant() ? shape[0].fixed : 0;
    if (slopes->count() == 1 && channels != 1) {
        TRY(const int made, n.make.put(op::LeakyRelu{(*slopes->values)[0]}, {from}));
        if (channels == 0) return n.define(made, n.operand(0).shape);
        TRY(n.make.expand(channels));
        const Values all = make_values(std::vector<float>(static_cast<std::size_t>(channels), (*slopes->values)[0]));
        TRY(const int each, n.make.put(op::Prelu{all}, {from}));
        return n.define(each, n.operand(0).shape);
    }
    const std::size_t rank = slopes->sides.size();
    if (rank < 3 || slopes->sides[rank - 3] != slopes->count())
        return unsupported("slopes that are not one per channel");
    TRY(const int made, n.make.put(op::Prelu{slopes->values}, {from}));
    return n.define(made, n.operand(0).shape);
}

// Add, Sub, Mul, Div of a tensor and known numbers: `left` where the numbers come first.
Result<void> with_constant(OnnxNode& n, std::size_t tensor, const Known& numbers) {
    const bool left = tensor == 1;
    const Value& x = n.operand(tensor);
    TRY(const Shape shape, broadcast(x.shape, n.shape(1 - tensor)));
    const std::size_t rank = numbers.sides.size();
    const std::int64_t count = numbers.count();
    if (x.form == Form::erf || x.form == Form::reciprocal) {
        const double c = count == 1 ? numbers.value(0) : 0;
        if (count != 1 || (n.type == "Sub" && left) || (n.type == "Div" && (left || c == 0)))
            return Importer::missing(x);
        const double factor = n.type == "Mul"   ? c
                              : n.type == "Div" ? 1 / c
                                                : 1,
                     shift = n.type == "Add"   ? c
                             : n.type == "Sub" ? -c
                                               : 0;
        if (x.form == Form::reciprocal && shift != 0) return Importer::missing(x);
        return n.pend(x.form, x.node, x.shape, x.factor * factor, x.shift * factor + shift);
    }
    TRY(const int from, n.node(tensor));
    if (n.type == "Div" && left) {
        if (count != 1) return unsupported("a constant divided by a tensor");
        return n.pend(Form::reciprocal, from, x.shape, numbers.value(0));
    }
    // Per channel means 1 x C x 1 x 1 or C x 1 x 1.
    const Shape& own = n.make.shape(from);
    const bool channelwise = rank >= 3 && numbers.sides[rank - 3] == count && own.size() == 3 &&
                             own[0] == Extent(count) && shape.size() == 4;
    if ((count == 1 && shape == x.shape) || channelwise) {
        GraphMaker::Numbers factor, shift;
        for (const float number : *numbers.values) {
            const double c = double{number};
            if (n.type == "Mul")
                factor.push_back(c);
            else if (n.type == "Add")
                shift.push_back(c);
            else if (n.type == "Sub")
                shift.push_back(left ? c : -c);
            else if (c == 0)
                return unsupported("a division by zero");
            else
                factor.push_back(1 / c);
        }
        if (n.type == "Sub" && left) factor = {-1};
        TRY(const int made, n.make.scale_shift(from, factor, shift));
        return n.define(made, shape);
    }
    TRY(int other, n.node(1 - tensor));
    if (n.type == "Div") {
        std::vector<float> inverse;
        for (const float number : *numbers.values) {
            if (number == 0) return unsupported("a division by zero");
            inverse.push_back(1 / number);
        }
        std::vector<int> sides;
        for (const Extent& side : n.make.shape(other)) sides.push_back(static_cast<int>(side.fixed));
        TRY(other, n.make.constant(std::move(sides), make_values(std::move(inverse))));
    }
    const bool product = n.type == "Mul" || n.type == "Div";
    const double sign = n.type == "Sub" ? -1 : 1;
    TRY(const int made,
        product ? n.make.multiply(from, other) : n.make.add(from, other, left ? sign : 1, left ? 1 : sign));
    return n.define(made, shape);
}

// A tensor times what is not yet one.
Result<void> times_pending(OnnxNode& n, const Value& x, const Value& gate, const Shape& shape) {
    TRY(const int from, Importer::node_of(x));
    if (gate.form == Form::erf && std::fabs(gate.factor - gate.shift) < 1e-3) {
        TRY(const auto made, n.make.gelu(from, gate.node, gate.factor));
        if (made) return n.define(*made, shape);
    }
    if (gate.form == Form::tanh_softplus && gate.node == from) {
        TRY(const int made, n.make.put(op::Mish{}, {from}));
        return n.define(made, shape);
    }
    if (gate.form == Form::reciprocal) {
        TRY(const auto made, n.make.divide(from, gate.node));
        if (made) {
            TRY(const int scaled, n.make.scale_shift(*made, {gate.factor}, {}));
            return n.define(scaled, shape);
        }
    }
    return Importer::missing(gate);
}

Result<void> arithmetic(OnnxNode& n) {
    if (!n.has(0) || !n.has(1) || n.count() != 2) return malformed("two operands are expected");
    for (const std::size_t k : {1U, 0U})
        if (const Known* numbers = n.constant(k)) {
            if (numbers->symbolic()) return unsupported("arithmetic of a tensor with the picture's size");
            return with_constant(n, 1 - k, *numbers);
        }
    const Value &a = n.operand(0), &b = n.operand(1);
    TRY(Shape shape, broadcast(a.shape, b.shape));
    const auto plain = [](const Value& x) { return x.form == Form::node || x.form == Form::expanded; };
    if (n.type == "Mul" && plain(a) != plain(b))
        return plain(a) ? times_pending(n, a, b, shape) : times_pending(n, b, a, shape);
    if (n.type == "Div" && a.form == Form::node && b.form == Form::length && b.node == a.node && b.least > 0) {
        TRY(const int made, n.make.put(op::L2Norm{b.axis, static_cast<float>(b.least)}, {a.node}));
        return n.define(made, a.shape);
    }
    if (!plain(a)) return Importer::missing(a);
    if (!plain(b)) return Importer::missing(b);
    if (n.type == "Div") {
        TRY(const auto made, n.make.divide(a.node, b.node));
        if (!made) return unsupported("a quotient of two tensors that is no normalisation");
        return n.define(*made, shape);
    }
    TRY(const int made,
        n.type == "Mul" ? n.make.multiply(a.node, b.node) : n.make.add(a.node, b.node, 1, n.type == "Sub" ? -1 : 1));
    if (n.make.shape(made) != without_batch(shape))
        for (const Value* x : {&a, &b})
            if (x->form == Form::expanded) return Importer::missing(*x);
    return n.define(made, shape);
}

Result<void> extreme(OnnxNode& n) {
    if (n.count() != 2) return unsupported(std::to_string(n.count()) + " operands");
    TRY(const Shape shape, broadcast(n.shape(0), n.shape(1)));
    const auto single = [&](std::size_t k) {
        return n.constant(k) && n.constant(k)->count() == 1 && !n.constant(k)->symbolic();
    };
    for (const std::size_t k : {1U, 0U})
        if (single(k) && n.type == "Max" && n.operand(1 - k).form == Form::length && shape == n.operand(1 - k).shape)
            return at_least(n, n.operand(1 - k), n.constant(k)->value(0));
    for (const std::size_t k : {1U, 0U})
        if (single(k) && !n.constant(1 - k) && shape == n.operand(1 - k).shape) {
            TRY(const int from, n.node(1 - k));
            const auto c = static_cast<float>(n.constant(k)->value(0));
            TRY(const int made, n.make.put(n.type == "Max" ? op::Clamp{c, 3e38F} : op::Clamp{-3e38F, c}, {from}));
            return n.define(made, shape);
        }
    TRY(int a, n.node(0));
    TRY(int b, n.node(1));
    if (n.type == "Min") {
        TRY(a, n.make.scale_shift(a, {-1}, {}));
        TRY(b, n.make.scale_shift(b, {-1}, {}));
    }
    TRY(int made, n.make.put(op::Maximum{}, {a, b}));
    if (n.type == "Min") {
        TRY(made, n.make.scale_shift(made, {-1}, {}));
    }
    return n.define(made, shape);
}

Result<void> power(OnnxNode& n) {
    TRY(const int from, n.node(0));
    TRY(const Known* const exponent, n.expect_constant(1, "an exponent"));
    const double by = exponent->count() == 1 ? exponent->value(0) : 0;
    int made = from;
    if (by == 2 || by == 3) {
        TRY(made, n.make.multiply(from, from));
        if (by == 3) {
            TRY(made, n.make.multiply(made, from));
        }
    } else if (by == 0.5) {
        TRY(made, n.make.put(op::Sqrt{}, {from}));
    } else if (by != 1) {
        return unsupported("a power that is not 1/2, 1, 2 or 3");
    }
    return n.define(made, n.operand(0).shape);
}

// Sigmoid's straight cousin: x * alpha + beta, cut to 0..1.
Result<void> hard_sigmoid(OnnxNode& n) {
    TRY(const int from, n.node(0));
    TRY(const int moved, n.make.scale_shift(from, {n.number("alpha", 0.2)}, {n.number("beta", 0.5)}));
    TRY(const int made, n.make.put(op::Clamp{0, 1}, {moved}));
    return n.define(made, n.operand(0).shape);
}

Result<void> tanh(OnnxNode& n) {
    if (n.has(0) && n.operand(0).form == Form::softplus)
        return n.pend(Form::tanh_softplus, n.operand(0).node, n.operand(0).shape);
    return simple(n, op::Tanh{});
}

Result<void> pending(OnnxNode& n, Form form) {
    TRY(const int from, n.node(0));
    return n.pend(form, from, n.operand(0).shape);
}

// ---- choices ----

// 0 where two are equal, 1 elsewhere: what differs by less than a float can divide by is taken for equal.
Result<void> equal(OnnxNode& n) {
    if (!n.has(1) || n.count() != 2) return malformed("two operands are expected");
    TRY(const Shape shape, broadcast(n.shape(0), n.shape(1)));
    TRY(const int a, n.node(0));
    TRY(const int b, n.node(1));
    TRY(int made, n.make.add(a, b, 1, -1));
    TRY(made, n.make.put(op::Abs{}, {made}));
    TRY(const int large, n.make.constant({1}, make_values({1e38F})));
    TRY(made, n.make.put(op::Multiply{}, {made, large}));
    TRY(made, n.make.put(op::Clamp{0, 1}, {made}));
    return n.pend(Form::flag, made, shape, -1, 1);
}

Result<void> negate(OnnxNode& n) {
    const Value& value = n.operand(0);
    if (value.form != Form::flag) return unsupported("a negation of what is no comparison");
    return n.pend(Form::flag, value.node, value.shape, -value.factor, 1 - value.shift);
}

// One of two, number by number: both are computed, and one is multiplied by nought.
Result<void> where(OnnxNode& n) {
    if (!n.has(1) || !n.has(2)) return malformed("three operands are expected");
    const Value& flag = n.operand(0);
    if (flag.form != Form::flag) return unsupported("a choice by what is no comparison");
    TRY(Shape shape, broadcast(n.shape(1), n.shape(2)));
    TRY(shape, broadcast(flag.shape, shape));
    int sum = -1;
    for (const std::size_t k : {1U, 2U}) {
        TRY(const int part, n.node(k));
        const double factor = k == 1 ? flag.factor : -flag.factor, shift = k == 1 ? flag.shift : 1 - flag.shift;
        TRY(const int share, n.make.scale_shift(flag.node, {factor}, {shift}));
        const Known* const numbers = n.constant(k);
        if (numbers && numbers->count() == 1 && numbers->value(0) == 0) continue;
        TRY(const int product, n.make.put(op::Multiply{}, {share, part}));
        if (sum < 0) {
            sum = product;
        } else {
            TRY(sum, n.make.put(op::Add{}, {sum, product}));
        }
    }
    if (sum < 0 || n.make.shape(sum) != without_batch(shape)) return unsupported("a choice of " + text(shape));
    return n.define(sum, std::move(shape));
}

// ---- normalisations ----

Result<Values> factors(OnnxNode& n, std::size_t slot, std::int64_t count, float otherwise) {
    if (!n.has(slot)) {
        TRY(n.make.expand(count));
        return make_values(std::vector<float>(static_cast<std::size_t>(count), otherwise));
    }
    TRY(const Known* const numbers, n.expect_constant(slot, "a factor"));
    return numbers->values;
}

Result<std::int64_t> side_at(const Shape& shape, int axis) {
    const Extent& side = shape[static_cast<std::size_t>(axis)];
    if (!side.constant() || side.fixed < 1) return unsupported("a normalisation along " + side.text());
    return side.fixed;
}

Result<void> layer_norm(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape& shape = n.operand(0).shape;
    const int given = n.whole("axis", -1);
    const bool rms = n.type != "LayerNormalization";
    if (given != -1 && given + 1 != static_cast<int>(shape.size()))
        return unsupported("a normalisation along several axes");
    const int last = static_cast<int>(n.make.shape(from).size()) - 1;
    if (last < 0) return malformed("a normalisation of a single number");
    TRY(const std::int64_t count, side_at(n.make.shape(from), last));
    const auto epsilon = static_cast<float>(n.number("epsilon", 1e-5));
    TRY(const Values scale, factors(n, 1, count, 1));
    if (rms) {
        TRY(const int made, n.make.put(op::RmsNorm{last, epsilon, scale}, {from}));
        return n.define(made, shape);
    }
    TRY(const Values shift, factors(n, 2, count, 0));
    TRY(const int made, n.make.put(op::LayerNorm{last, epsilon, scale, shift}, {from}));
    return n.define(made, shape);
}

Result<void> norm_over_pixels(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape& shape = n.operand(0).shape;
    if (!OnnxNode::batched(shape) || shape.size() < 3) return unsupported("a normalisation of " + text(shape));
    TRY(const std::int64_t channels, side_at(n.make.shape(from), 0));
    const auto epsilon = static_cast<float>(n.number("epsilon", 1e-5));
    TRY(const Values scale, factors(n, 1, channels, 1));
    TRY(const Values shift, factors(n, 2, channels, 0));
    Operation op = op::InstanceNorm{epsilon, scale, shift};
    if (n.type == "GroupNormalization") {
        const int groups = n.whole("num_groups", 1);
        const auto each = [&](const Values& values) -> Values {  // older files have one for each group
            if (!n.older_than(21) || values.count() != groups || groups < 1 || channels % groups != 0) return values;
            std::vector<float> all;
            for (std::int64_t c = 0; c < channels; ++c)
                all.push_back((*values)[static_cast<std::size_t>(c / (channels / groups))]);
            return make_values(std::move(all));
        };
        op = op::GroupNorm{groups, epsilon, each(scale), each(shift)};
    }
    TRY(const int made, n.make.put(std::move(op), {from}));
    return n.define(made, shape);
}

Result<void> batch_norm(OnnxNode& n) {
    TRY(const int from, n.picture());
    if (n.number("training_mode", 0) != 0) return unsupported("a normalisation by the picture's own statistics");
    GraphMaker::Numbers factor, shift;
    const Known* given[5] = {};
    for (std::size_t i = 1; i < 5; ++i) {
        TRY(given[i], n.expect_constant(i, "a statistic"));
        if (given[i]->count() != given[1]->count()) return malformed("statistics of different sizes");
    }
    const double epsilon = n.number("epsilon", 1e-5);
    for (std::size_t c = 0; c < static_cast<std::size_t>(given[1]->count()); ++c) {
        factor.push_back(given[1]->value(c) / std::sqrt(given[4]->value(c) + epsilon));
        if (!std::isfinite(factor.back()))
            return malformed("a variance of " + std::to_string(given[4]->value(c)) + " with an epsilon of " +
                             std::to_string(epsilon));
        shift.push_back(given[2]->value(c) - given[3]->value(c) * factor.back());
    }
    TRY(const int made, n.make.scale_shift(from, factor, shift));
    return n.define_like(made);
}

Result<void> softmax(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape& shape = n.operand(0).shape;
    const bool rows = n.older_than(13);  // then all sides from the axis on are one
    std::int64_t along = n.whole("axis", rows ? 1 : -1);
    TRY(const int axis, n.axis(shape, along));
    const Shape own = n.make.shape(from);
    if (rows && axis + 1 < static_cast<int>(own.size())) {
        Shape flat(own.begin(), own.begin() + axis);
        const auto all = volume(Shape(own.begin() + axis, own.end()));
        if (!all) return unsupported("a softmax of " + text(shape) + " along several sides");
        flat.push_back(*all);
        TRY(const int line, n.make.reshape(from, flat));
        TRY(const int made, n.make.put(op::Softmax{-1}, {line}));
        return n.define(made, shape);
    }
    TRY(const int made, n.make.put(op::Softmax{axis}, {from}));
    return n.define(made, shape);
}

// ReduceMean, ReduceSum, ReduceL2.
Result<void> reduce(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape shape = n.operand(0).shape;
    TRY(const auto given, n.integers(1, "axes"));
    if (!given || given->empty()) return unsupported("a reduction of everything");
    std::vector<int> axes;
    std::vector<bool> gone(shape.size(), false);
    for (const std::int64_t along : *given) {
        TRY(const int axis, n.axis(shape, along));
        axes.push_back(axis);
        gone[static_cast<std::size_t>(along < 0 ? along + static_cast<std::int64_t>(shape.size()) : along)] = true;
    }
    const bool keep = n.number("keepdims", 1) != 0;
    Shape result;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (!gone[i])
            result.push_back(shape[i]);
        else if (keep)
            result.emplace_back(1);
    if (n.type == "ReduceL2") {
        if (axes.size() != 1 || !keep) return unsupported("a length along several axes");
        Value value;
        value.form = Form::length;
        value.node = from;
        value.shape = std::move(result);
        value.axis = axes[0];
        value.layer = n.label();
        return n.to.define(n.out(), std::move(value));
    }
    TRY(const int made, n.make.reduce(from, std::move(axes), n.type == "ReduceMean"));
    return n.define(made, std::move(result));
}

Result<void> argmax(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape shape = n.operand(0).shape;
    const int along = n.whole("axis", 0);
    TRY(const int axis, n.axis(shape, along));
    if (n.number("select_last_index", 0) != 0) return unsupported("the last of the largest");
    TRY(const int made, n.make.put(op::Argmax{axis}, {from}));
    Shape result = shape;
    const auto at = static_cast<std::ptrdiff_t>(along < 0 ? along + static_cast<int>(shape.size()) : along);
    result[static_cast<std::size_t>(at)] = 1;
    if (n.number("keepdims", 1) == 0) result.erase(result.begin() + at);
    return n.define(made, std::move(result));
}

// ---- products of matrices ----

Values turned(const Values& from, std::int64_t rows, std::int64_t columns) {
    std::vector<float> result(static_cast<std::size_t>(rows * columns));
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c)
            result[static_cast<std::size_t>(c * rows + r)] = (*from)[static_cast<std::size_t>(r * columns + c)];
    return make_values(std::move(result));
}

Result<void> matmul(OnnxNode& n) {
    if (!n.has(0) || !n.has(1)) return malformed("two operands are expected");
    const Known* right = n.constant(1);
    if (right && !right->symbolic() && right->sides.size() == 2 && !n.constant(0)) {
        TRY(const int from, n.node(0));
        Shape shape = n.operand(0).shape;
        const std::int64_t in = right->sides[0], out = right->sides[1];
        if (shape.empty() || shape.back() != Extent(in))
            return malformed("weights for " + std::to_string(in) + " numbers, applied to " + text(shape));
        shape.back() = out;
        TRY(const int made, n.make.linear(from, turned(right->values, in, out), {}));
        return n.define(made, std::move(shape));
    }
    const Shape a = n.shape(0), b = n.shape(1);
    if (a.size() < 2 || b.size() < 2) return unsupported("a product of " + text(a) + " and " + text(b));
    // Outer sides as they are when both are given all of them; a single one on either side is not repeated.
    Shape outer_a(a.begin(), a.end() - 2), outer_b(b.begin(), b.end() - 2);
    while (!outer_a.empty() && outer_a[0] == Extent(1)) outer_a.erase(outer_a.begin());
    while (!outer_b.empty() && outer_b[0] == Extent(1)) outer_b.erase(outer_b.begin());
    if (outer_a != outer_b) return unsupported("a product of " + text(a) + " and " + text(b));
    TRY(int left, n.node(0));
    TRY(int second, n.node(1));
    const auto matrices = [](Shape outer, const Shape& own) {
        outer.insert(outer.end(), own.end() - 2, own.end());
        return outer;
    };
    TRY(left, n.make.reshape(left, matrices(outer_a, a)));
    // A transposed operand keeps its form where it can.
    if (n.make.shape(second) != matrices(outer_b, b)) {
        TRY(second, n.make.reshape(second, matrices(outer_b, b)));
    }
    TRY(const int made, n.make.matmul(left, second));
    TRY(Shape shape, broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2)));
    shape.push_back(a[a.size() - 2]);
    shape.push_back(b.back());
    return n.define(made, std::move(shape));
}

// "b h i d, b h j d -> b h i j": products of matrices, however their sides are ordered. One side of each is its own,
// one is summed over, and all others both have.
Result<void> einsum(OnnxNode& n) {
    std::string equation = n.text("equation", "");
    equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
    const auto refuse = [&] {
        return unsupported("the sum '" + printable(equation) + "', which is no product of matrices");
    };
    const std::size_t comma = equation.find(','), arrow = equation.find("->");
    if (n.count() != 2 || !n.has(0) || !n.has(1) || comma == std::string::npos || arrow == std::string::npos ||
        comma > arrow || equation.find('.') != std::string::npos)
        return refuse();
    std::string sides[2] = {equation.substr(0, comma), equation.substr(comma + 1, arrow - comma - 1)};
    std::string out = equation.substr(arrow + 2);
    Shape shapes[2] = {n.shape(0), n.shape(1)};
    for (const std::size_t k : {0U, 1U})
        if (shapes[k].size() != sides[k].size())
            return malformed("'" + printable(equation) + "' of " + text(shapes[k]));
    // The batch is no side of the graph's tensors.
    const bool batch = OnnxNode::batched(shapes[0]) && OnnxNode::batched(shapes[1]) && !out.empty() &&
                       sides[0][0] == out[0] && sides[1][0] == out[0];
    if (batch) {
        for (const std::size_t k : {0U, 1U}) {
            sides[k].erase(0, 1);
            shapes[k].erase(shapes[k].begin());
        }
        out.erase(0, 1);
    }
    std::string both, summed, own[2];
    for (const std::size_t k : {0U, 1U})
        for (const char side : sides[k]) {
            const bool shared = sides[1 - k].find(side) != std::string::npos,
                       kept = out.find(side) != std::string::npos;
            if (std::count(sides[k].begin(), sides[k].end(), side) != 1 || (!shared && !kept)) return refuse();
            if (!shared)
                own[k] += side;
            else if (k == 0)
                (kept ? both : summed) += side;
        }
    if (own[0].size() != 1 || own[1].size() != 1 || summed.size() != 1) return refuse();
    const std::string made_sides = both + own[0] + own[1];
    if (out.size() != made_sides.size() || out.find_first_not_of(made_sides) != std::string::npos) return refuse();
    const auto order = [](const std::string& from, const std::string& to) {
        std::vector<int> axes;
        for (const char side : to) axes.push_back(static_cast<int>(from.find(side)));
        return axes;
    };
    std::map<char, Extent> size;
    int parts[2];
    for (const std::size_t k : {0U, 1U}) {
        for (std::size_t i = 0; i < shapes[k].size(); ++i)
            if (const auto [at, fresh] = size.emplace(sides[k][i], shapes[k][i]); !fresh && at->second != shapes[k][i])
                return malformed("inputs differ: " + text(n.shape(0)) + " and " + text(n.shape(1)));
        TRY(const int own_sides, n.node(k));
        TRY(const int whole, n.make.reshape(own_sides, shapes[k]));
        TRY(parts[k], n.make.transpose(whole, order(sides[k], both + (k == 0 ? own[0] + summed : summed + own[1]))));
    }
    TRY(int made, n.make.matmul(parts[0], parts[1]));
    TRY(made, n.make.transpose(made, order(made_sides, out)));
    Shape shape;
    if (batch) shape.emplace_back(1);
    for (const char side : out) shape.push_back(size.at(side));
    return n.define(made, std::move(shape));
}

Result<void> gemm(OnnxNode& n) {
    TRY(const Known* const right, n.expect_constant(1, "a matrix"));
    if (n.number("transA", 0) != 0 || right->sides.size() != 2 || n.operand(0).shape.size() != 2)
        return unsupported("a product of matrices that is no linear layer");
    TRY(const int from, n.node(0));
    const bool out_first = n.number("transB", 0) != 0;
    const std::int64_t out = right->sides[out_first ? 0 : 1];
    Values weights = out_first ? right->values : turned(right->values, right->sides[0], right->sides[1]);
    Values bias;
    if (n.number("alpha", 1) != 1 || n.number("beta", 1) != 1) return unsupported("a product of matrices with factors");
    if (n.has(2)) {
        TRY(const Known* const given, n.expect_constant(2, "a bias"));
        if (given->count() != out)
            return unsupported(std::to_string(given->count()) + " biases for " + std::to_string(out));
        bias = given->values;
    }
    TRY(const int made, n.make.linear(from, std::move(weights), std::move(bias)));
    Shape shape = n.operand(0).shape;
    shape.back() = out;
    return n.define(made, std::move(shape));
}

const Rule kRules[] = {
    {"Add", arithmetic},
    {"Sub", arithmetic},
    {"Mul", arithmetic},
    {"Div", arithmetic},
    {"Max", extreme},
    {"Min", extreme},
    {"Pow", power},
    {"Relu", [](OnnxNode& n) { return simple(n, op::LeakyRelu{0}); }},
    {"LeakyRelu", [](OnnxNode& n) { return simple(n, op::LeakyRelu{static_cast<float>(n.number("alpha", 0.01))}); }},
    {"PRelu", prelu},
    {"Sigmoid", [](OnnxNode& n) { return simple(n, op::Sigmoid{}); }},
    {"HardSigmoid", hard_sigmoid},
    {"HardSwish", [](OnnxNode& n) { return simple(n, op::HardSwish{}); }},
    {"Mish", [](OnnxNode& n) { return simple(n, op::Mish{}); }},
    {"Gelu", [](OnnxNode& n) { return simple(n, op::Gelu{n.text("approximate", "none") == "tanh"}); }},
    {"Swish",
     [](OnnxNode& n) -> Result<void> {
         if (n.number("alpha", 1) != 1) return unsupported("a Swish with a factor");
         return simple(n, op::Silu{});
     }},
    {"Tanh", tanh},
    {"Exp", [](OnnxNode& n) { return simple(n, op::Exp{}); }},
    {"Sqrt", [](OnnxNode& n) { return simple(n, op::Sqrt{}); }},
    {"Abs", [](OnnxNode& n) { return simple(n, op::Abs{}); }},
    {"Neg",
     [](OnnxNode& n) -> Result<void> {
         TRY(const int from, n.node(0));
         TRY(const int made, n.make.scale_shift(from, {-1}, {}));
         return n.define(made, n.operand(0).shape);
     }},
    {"Erf", [](OnnxNode& n) { return pending(n, Form::erf); }},
    {"Softplus", [](OnnxNode& n) { return pending(n, Form::softplus); }},
    {"Reciprocal", [](OnnxNode& n) { return pending(n, Form::reciprocal); }},
    {"Clip", clip},
    {"Equal", equal},
    {"Not", negate},
    {"Where", where},
    {"LayerNormalization", layer_norm},
    {"RMSNormalization", layer_norm},
    {"SimplifiedLayerNormalization", layer_norm},
    {"InstanceNormalization", norm_over_pixels},
    {"GroupNormalization", norm_over_pixels},
    {"BatchNormalization", batch_norm},
    {"Softmax", softmax},
    {"ReduceMean", reduce},
    {"ReduceSum", reduce},
    {"ReduceL2", reduce},
    {"ArgMax", argmax},
    {"MatMul", matmul},
    {"Gemm", gemm},
    {"Einsum", einsum},
};

}  // namespace

std::span<const Rule> number_rules() { return kRules; }

}  // namespace enlarge::onnx_import
