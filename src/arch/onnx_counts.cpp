// SPDX-License-Identifier: Apache-2.0
// Numbers that count along a side, which may be the picture's, and what is written at the places that they list: how
// exporters say x[:, :n] = y. A list of places that is no block is refused.
#include <functional>

#include "arch/onnx_node.hpp"

namespace enlarge::onnx_import {
namespace {

constexpr std::size_t kMostSides = 8;

bool counts(const Value& value) {
    return value.form == Form::counted || value.form == Form::strided || value.form == Form::grid;
}

Value counting(Shape shape, int axis, Extent first) {
    Value value;
    value.form = Form::counted;
    value.shape = std::move(shape);
    value.axis = axis;
    value.first = first;
    return value;
}

Result<void> define(OnnxNode& n, Value value) {
    value.layer = n.label();
    return n.to.define(n.out(), std::move(value));
}

// Known whole numbers that count along one of their sides, or are all the same.
std::optional<Value> as_counted(const Known& numbers) {
    if (numbers.symbolic() || numbers.count() == 0 || numbers.sides.size() > kMostSides) return {};
    Shape shape;
    for (const std::int64_t side : numbers.sides) shape.emplace_back(side);
    const double first = numbers.value(0);
    if (first != std::floor(first) || std::fabs(first) > op::Slice::kEnd) return {};
    const auto rank = static_cast<int>(shape.size());
    for (int axis = -1; axis < rank; ++axis) {
        if (axis >= 0 && numbers.sides[static_cast<std::size_t>(axis)] == 1) continue;
        std::int64_t inner = 1;
        for (int i = axis + 1; axis >= 0 && i < rank; ++i) inner *= numbers.sides[static_cast<std::size_t>(i)];
        bool fits = true;
        for (std::int64_t i = 0; i < numbers.count() && fits; ++i) {
            const std::int64_t along = axis < 0 ? 0 : i / inner % numbers.sides[static_cast<std::size_t>(axis)];
            fits = numbers.value(static_cast<std::size_t>(i)) == first + static_cast<double>(along);
        }
        if (!fits) continue;
        // All the same, along whatever side is single.
        const auto single = std::find(shape.begin(), shape.end(), Extent(1));
        if (axis < 0 && single == shape.end() && rank > 0) return {};
        return counting(shape, axis < 0 ? static_cast<int>(single - shape.begin()) : axis,
                        static_cast<std::int64_t>(first));
    }
    return {};
}

// The operand as numbers that count.
Result<Value> counted_operand(const OnnxNode& n, std::size_t i) {
    if (n.has(i) && n.operand(i).form == Form::counted) return n.operand(i);
    if (const Known* numbers = n.constant(i))
        if (auto value = as_counted(*numbers)) return *std::move(value);
    return unsupported("places that are computed in another way than by counting");
}

Result<Integers> plain_list(const OnnxNode& n, std::size_t slot, const char* key) {
    TRY(const auto list, n.integers(slot, key));
    return list.value_or(Integers());
}

// How many steps begin in so much: the quotient, rounded up.
std::optional<Extent> steps_in(const OnnxNode& n, const Extent& length, std::int64_t step) {
    if (step == 1) return length;
    const auto up = sum(length, step - 1);
    const auto moving = up ? sum(*up, -up->fixed) : up;
    const auto whole = moving ? quotient(*moving, step) : moving;
    if (whole && (!n.to.ragged() || n.to.multiple % whole->multiple() == 0))
        return sum(*whole, up->fixed / step - (up->fixed % step < 0 ? 1 : 0));
    return up && n.to.ragged() ? floor_quotient(*up, step) : std::nullopt;
}

Result<void> range(OnnxNode& n) {
    TRY(const Extent first, n.constant(0)->size(0));
    TRY(const Extent end, n.constant(1)->size(0));
    TRY(const Extent step, n.constant(2)->size(0));
    if (step == Extent(0)) return malformed("a range with a step of 0");
    const auto negative = product(first, -1);
    const auto length = negative ? sum(end, *negative) : negative;
    const bool steps = step.constant() && step.fixed >= 1 && step.fixed <= op::Slice::kEnd;
    const auto count = length && steps ? steps_in(n, *length, step.fixed) : std::nullopt;
    if (!count) return unsupported("numbers up to a size that is not known");
    Value value = counting({*count}, 0, first);
    if (step != Extent(1)) {
        value.form = Form::strided;
        value.axis = -1;
        value.step = step.fixed;
    }
    return define(n, std::move(value));
}

// To one side that is not single.
Result<void> reshape(OnnxNode& n) {
    const Value& value = n.operand(0);
    if (!n.constant(1)) return unsupported("a reshape to sizes that are computed");
    TRY(Shape sides, sizes_of(*n.constant(1)));
    const Extent count =
        value.axis < 0 || value.shape.empty() ? Extent(1) : value.shape[static_cast<std::size_t>(value.axis)];
    int axis = -1;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        if (sides[i] == Extent(1)) continue;
        if (axis >= 0 || (sides[i] != Extent(-1) && sides[i] != count)) return Importer::missing(value);
        axis = static_cast<int>(i);
        sides[i] = count;
    }
    if (volume(value.shape) != volume(sides) || sides.size() > kMostSides || value.axis < 0)
        return Importer::missing(value);
    return define(n, counting(std::move(sides), std::max(axis, 0), value.first));
}

Result<void> slice(OnnxNode& n) {
    Value value = n.operand(0);
    TRY(const Integers begins, plain_list(n, 1, "starts"));
    TRY(const Integers axes, plain_list(n, 3, "axes"));
    TRY(const Integers steps, plain_list(n, 4, "steps"));
    if (!n.constant(2)) return unsupported("a slice at places that are computed");
    TRY(const Shape ends, sizes_of(*n.constant(2)));
    const bool plain = begins.size() == 1 && ends.size() == 1 && value.shape.size() == 1 && value.axis == 0 &&
                       (axes.empty() || axes[0] == 0 || axes[0] == -1) && (steps.empty() || steps[0] == 1);
    if (!plain) return Importer::missing(value);
    const Extent side = value.shape[0];
    const auto from_front = [&](const Extent& at) -> std::optional<Extent> {
        if (!at.constant()) return at;
        if (at.fixed >= op::Slice::kEnd) return side;
        return at.fixed < 0 ? sum(side, at) : std::optional(at);
    };
    const auto begin = from_front(begins[0]), end = from_front(ends[0]);
    const auto back = begin ? product(*begin, -1) : begin;
    const auto count = back && end ? sum(*end, *back) : std::nullopt;
    const auto first = begin ? sum(value.first, *begin) : begin;
    if (!count || !first) return Importer::missing(value);
    return define(n, counting({*count}, 0, *first));
}

Result<void> unsqueeze(OnnxNode& n) {
    Value value = n.operand(0);
    TRY(const Integers axes, plain_list(n, 1, "axes"));
    if (axes.size() != 1 || value.shape.size() >= kMostSides) return Importer::missing(value);
    const auto rank = static_cast<std::int64_t>(value.shape.size()) + 1;
    const std::int64_t at = axes[0] < 0 ? axes[0] + rank : axes[0];
    if (at < 0 || at >= rank) return malformed("axis " + std::to_string(axes[0]));
    value.shape.insert(value.shape.begin() + at, Extent(1));
    if (value.axis >= at) ++value.axis;
    if (value.form == Form::strided && value.outer >= at) ++value.outer;
    return define(n, std::move(value));
}

Result<void> expand(OnnxNode& n) {
    TRY(Value value, counted_operand(n, 0));
    if (!n.constant(1)) return unsupported("a repetition to sizes that are computed");
    TRY(const Shape wanted, sizes_of(*n.constant(1)));
    TRY(Shape shape, broadcast(value.shape, wanted));
    if (shape.size() > kMostSides) return malformed("more than 8 dimensions");
    const int more = static_cast<int>(shape.size() - value.shape.size());
    // One that stands still is no longer along a side that is repeated now.
    const bool still =
        value.axis >= 0 && !value.shape.empty() && value.shape[static_cast<std::size_t>(value.axis)] == Extent(1);
    if (value.axis >= 0 && !(still && shape[static_cast<std::size_t>(value.axis + more)] != Extent(1)))
        value.axis += more;
    else
        value.axis = -1;
    value.shape = std::move(shape);
    return define(n, std::move(value));
}

Result<void> join(OnnxNode& n) {
    Value grid;
    grid.form = Form::grid;
    for (std::size_t i = 0; i < n.count(); ++i) {
        TRY(Value part, counted_operand(n, i));
        if (part.shape.empty() || part.shape.back() != Extent(1)) return Importer::missing(part);
        if (i > 0 && part.shape != grid.counts[0].shape) return malformed("lists of places of different sizes");
        grid.counts.push_back(std::move(part));
    }
    const auto rank = static_cast<int>(grid.counts[0].shape.size());
    if (n.whole("axis", 0) != -1 && n.whole("axis", 0) != rank - 1) return Importer::missing(grid);
    grid.shape = grid.counts[0].shape;
    grid.shape.back() = static_cast<std::int64_t>(n.count());
    return define(n, std::move(grid));
}

// A block of a tensor: along each of its first sides, from where on and how many.
struct Block {
    std::vector<Extent> first, count;
};

// The block that a list of places is.
Result<Block> block_of(const OnnxNode& n) {
    Value grid;
    if (n.operand(1).form == Form::grid) {
        grid = n.operand(1);
    } else if (n.operand(1).form == Form::counted) {
        grid.shape = n.operand(1).shape;
        grid.counts = {n.operand(1)};
    } else if (const Known* places = n.constant(1); places && !places->symbolic() && !places->sides.empty()) {
        const auto depth = static_cast<std::size_t>(places->sides.back());
        if (depth < 1 || depth > kMostSides) return malformed("places of " + std::to_string(depth) + " numbers");
        std::vector<std::int64_t> sides = places->sides;
        for (const std::int64_t side : sides) grid.shape.emplace_back(side);
        sides.back() = 1;
        for (std::size_t k = 0; k < depth; ++k) {
            std::vector<float> column;
            for (std::size_t i = k; i < static_cast<std::size_t>(places->count()); i += depth)
                column.push_back((*places->values)[i]);
            auto value = as_counted(known(sides, std::move(column), true));
            if (!value) return unsupported("places that are no block of a tensor");
            grid.counts.push_back(*std::move(value));
        }
    } else {
        return unsupported("places that are computed");
    }
    if (grid.shape.size() != grid.counts.size() + 1) return unsupported("places that are no block of a tensor");
    Block block;
    for (std::size_t k = 0; k < grid.counts.size(); ++k) {
        const Value& count = grid.counts[k];
        const Extent side = grid.shape[k];
        const bool single =
            side == Extent(1) && (count.axis < 0 || count.shape[static_cast<std::size_t>(count.axis)] == Extent(1));
        if (count.axis != static_cast<int>(k) && !single) return unsupported("places that are no block of a tensor");
        block.first.push_back(count.first);
        block.count.push_back(side);
    }
    return block;
}

// From the front, or from the end where it moves with the picture.
Result<int> place_of(const Extent& at, const Extent& side) {
    if (at.constant()) return saturated(at.fixed);
    const auto negative = product(side, -1);
    const auto rest = negative ? sum(at, *negative) : negative;
    if (!rest || !rest->constant() || rest->fixed > 0)
        return unsupported("a place " + at.text() + " of " + side.text());
    return rest->fixed == 0 ? op::Slice::kEnd : saturated(rest->fixed);
}

// A number for each pixel is a tensor of its own, whatever is written to it; any other is that number, repeated.
Result<void> filled(OnnxNode& n) {
    TRY(Shape sides, sizes_of(*n.constant(0)));
    for (const Extent& side : sides)
        if (side.constant() && side.fixed < 0) return malformed("a constant with a side of " + side.text());
    if (sides.size() > kMostSides) return malformed("more than 8 dimensions");
    const auto value = static_cast<float>(n.number("value", 0));
    if (volume(sides) != product(Extent::rows(), Extent::columns())) {
        TRY(const int number, n.make.constant({1}, make_values({value})));
        return n.pend(Form::expanded, number, std::move(sides));
    }
    TRY(int made, n.make.slice(0, 0, 0, 1, 1));
    TRY(made, n.make.put(op::Clamp{value, value}, {made}));
    return n.define(made, std::move(sides));
}

// x with a block replaced: what lies before and behind it along each side is kept.
Result<void> write(OnnxNode& n) {
    if (!n.has(0) || !n.has(1) || !n.has(2)) return malformed("three operands are expected");
    if (n.text("reduction", "none") != "none") return unsupported("a sum at places");
    TRY(const Block block, block_of(n));
    TRY(const int data, n.node(0));
    const bool one = n.one_number(2);
    const float number = one ? n.make.node(n.operand(2).node).as<op::Constant>()->values->front() : 0;
    int update = -1;
    if (!one) {
        TRY(update, n.node(2));
    }
    const Shape shape = n.shape(0);
    const bool batch = OnnxNode::batched(shape);
    if (block.count.size() > shape.size()) return malformed("places in a tensor of fewer sides");
    const std::size_t skipped = batch ? 1 : 0;
    if (batch && (block.first[0] != Extent(0) || block.count[0] != Extent(1)))
        return malformed("a place beyond the batch");
    Shape inside(shape.begin() + static_cast<std::ptrdiff_t>(skipped), shape.end());
    for (std::size_t k = skipped; k < block.count.size(); ++k) inside[k - skipped] = block.count[k];
    const std::function<Result<int>(int, std::size_t)> put = [&](int from, std::size_t k) -> Result<int> {
        if (k == block.count.size() && one) return n.make.put(op::Clamp{number, number}, {from});
        if (k == block.count.size()) return n.make.reshape(update, inside);
        const int axis = static_cast<int>(k - skipped);
        const Extent side = n.make.shape(from)[static_cast<std::size_t>(axis)];
        const auto end = sum(block.first[k], block.count[k]);
        if (!end) return malformed("a block too large to be meant");
        const bool at_front = block.first[k] == Extent(0), at_end = *end == side;
        if (at_front && at_end) return put(from, k + 1);
        TRY(const int begin, place_of(block.first[k], side));
        TRY(const int behind, place_of(*end, side));
        if (side.constant() && (!end->constant() || end->fixed > side.fixed))
            return malformed("a block beyond the tensor");
        std::vector<int> parts;
        if (!at_front) {
            TRY(const int before, n.make.slice(from, axis, 0, begin, 1));
            parts.push_back(before);
        }
        TRY(const int middle, n.make.slice(from, axis, begin, behind, 1));
        TRY(const int filled, put(middle, k + 1));
        parts.push_back(filled);
        if (!at_end) {
            TRY(const int rest, n.make.slice(from, axis, behind, op::Slice::kEnd, 1));
            parts.push_back(rest);
        }
        return n.make.concat(std::move(parts), axis);
    };
    TRY(const int made, put(data, skipped));
    return n.define(made, shape);
}

// Places within windows that lie `step` apart: numbers that count along one side and steps along another.
Result<bool> windows(OnnxNode& n) {
    const std::size_t which = counts(n.operand(0)) ? 0 : 1;
    Value steps = n.operand(which);
    if (steps.form == Form::counted && n.constant(1 - which)) {
        steps.form = Form::strided;
        std::swap(steps.axis, steps.outer);
        steps.axis = -1;
    }
    const auto inner = counted_operand(n, 1 - which);
    if (steps.form != Form::strided || steps.axis >= 0 || steps.outer < 0 || !inner.ok() || inner->axis < 0)
        return false;
    TRY(const Shape shape, broadcast(steps.shape, inner->shape));
    const auto rank = static_cast<int>(shape.size());
    const int outer = steps.outer + rank - static_cast<int>(steps.shape.size()),
              axis = inner->axis + rank - static_cast<int>(inner->shape.size());
    const auto first = sum(steps.first, inner->first);
    for (int i = 0; i < rank; ++i)
        if (i != outer && i != axis && shape[static_cast<std::size_t>(i)] != Extent(1)) return false;
    if (outer == axis || !first) return false;
    steps.shape = shape;
    steps.outer = outer;
    steps.axis = axis;
    steps.first = *first;
    TRY(define(n, std::move(steps)));
    return true;
}

Result<void> sizes_only(OnnxNode& n) {
    TRY(Shape shape, broadcast(n.shape(0), n.shape(1)));
    return define(n, counting(std::move(shape), -1, 0));
}

}  // namespace

Result<bool> add_counted(OnnxNode& n) {
    bool any = false;
    for (std::size_t i = 0; i < n.count(); ++i) any = any || (n.has(i) && counts(n.operand(i)));
    const auto symbolic = [&](std::size_t i) { return n.constant(i) && n.constant(i)->symbolic(); };
    const auto done = [](Result<void> result) -> Result<bool> {
        if (!result.ok()) return std::move(result.error());
        return true;
    };
    if (n.type == "ScatterND") {
        bool plain = n.count() == 3 && n.text("reduction", "none") == "none";
        for (std::size_t i = 0; i < 3 && plain; ++i) plain = n.constant(i) && !n.constant(i)->symbolic();
        return plain ? Result<bool>(false) : done(write(n));
    }
    if (n.type == "Range" && n.count() == 3 && n.constant(0) && n.constant(1) && n.constant(2) &&
        (symbolic(0) || symbolic(1) || symbolic(2)) && n.constant(0)->count() == 1 && n.constant(1)->count() == 1 &&
        n.constant(2)->count() == 1)
        return done(range(n));
    if (n.type == "ConstantOfShape" && symbolic(0)) return done(filled(n));
    if (n.type == "Expand" && n.one_number(0) && n.constant(1)) {
        TRY(const Shape wanted, sizes_of(*n.constant(1)));
        TRY(Shape shape, broadcast(n.operand(0).shape, wanted));
        return done(n.pend(Form::expanded, n.operand(0).node, std::move(shape)));
    }
    if (n.type == "Expand" && symbolic(1) && n.constant(0) && n.constant(0)->count() == 1 &&
        !n.constant(0)->symbolic() && !n.constant(0)->whole) {
        TRY(const int number, n.node(0));
        TRY(Shape shape, sizes_of(*n.constant(1)));
        return done(n.pend(Form::expanded, number, std::move(shape)));
    }
    if (n.type == "Expand" && symbolic(1) && n.constant(0) && n.constant(0)->whole && n.constant(0)->count() > 0)
        return done(expand(n));
    if (!any) return false;
    if (n.type == "Concat") return done(join(n));
    if (n.operand(0).form == Form::strided) {
        if (n.type == "Unsqueeze") return done(unsqueeze(n));
        if (n.type == "Cast" || n.type == "Identity") return done(define(n, n.operand(0)));
    }
    if (n.operand(0).form == Form::counted) {
        if (n.type == "Reshape") return done(reshape(n));
        if (n.type == "Slice") return done(slice(n));
        if (n.type == "Unsqueeze") return done(unsqueeze(n));
        if (n.type == "Expand") return done(expand(n));
        if (n.type == "Cast" || n.type == "Identity") return done(define(n, n.operand(0)));
    }
    if (n.type == "Add" && n.has(0) && n.has(1)) {
        TRY(const bool made, windows(n));
        return made ? Result<bool>(true) : done(sizes_only(n));
    }
    return false;
}

}  // namespace enlarge::onnx_import
