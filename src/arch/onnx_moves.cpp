// SPDX-License-Identifier: Apache-2.0
// ONNX's operators that move numbers, or tell sizes.
#include <optional>

#include "arch/onnx_node.hpp"
#include "graph/traits.hpp"

namespace enlarge::onnx_import {
namespace {

// A tensor of no numbers, as files have it where nothing has to be added.
bool nothing(const OnnxNode& n, std::size_t i) { return n.constant(i) && n.constant(i)->count() == 0; }

Result<void> concat(OnnxNode& n) {
    std::vector<int> parts;
    Shape shape = n.shape(0);
    if (n.count() == 2 && nothing(n, 1)) {
        TRY(const int from, n.node(0));
        return n.define(from, std::move(shape));
    }
    TRY(const int axis, n.axis(shape, n.whole("axis", 1)));
    std::int64_t along = n.whole("axis", 1);
    if (along < 0) along += static_cast<std::int64_t>(shape.size());
    for (std::size_t i = 0; i < n.count(); ++i) {
        TRY(int part, n.node(i));
        const Shape own = n.shape(i);
        if (own.size() != shape.size()) return malformed("inputs differ: " + text(shape) + " and " + text(own));
        TRY(part, n.make.reshape(part, OnnxNode::batched(shape) ? Shape(own.begin() + 1, own.end()) : own));
        parts.push_back(part);
        if (i == 0) continue;
        const auto joined = sum(shape[static_cast<std::size_t>(along)], own[static_cast<std::size_t>(along)]);
        if (!joined) return malformed("a result too large to be meant");
        shape[static_cast<std::size_t>(along)] = *joined;
    }
    TRY(const int made, n.make.concat(std::move(parts), axis));
    return n.define(made, std::move(shape));
}

// The shapes with which files that were made for one size write pixel (un)shuffles.
std::optional<Shape> fixed_shuffle(const Shape& from, const std::vector<Extent>& to) {
    if (from.size() != 4 || to.size() != 6 || !from[1].constant()) return {};
    const auto small = [](const Extent& f) { return f.constant() && f.fixed >= 2 && f.fixed <= 64; };
    if (to[1] == from[1] && small(to[3]) && to[3] == to[5]) {
        const auto rows = quotient(from[2], to[3].fixed), columns = quotient(from[3], to[5].fixed);
        if (rows && columns) return Shape{1, from[1], *rows, to[3], *columns, to[5]};
    }
    const std::int64_t area = small(to[2]) ? to[2].fixed * to[2].fixed : 0;
    if (area && to[2] == to[3] && from[1].fixed % area == 0 &&
        (to[1] == Extent(-1) || to[1] == Extent(from[1].fixed / area)))
        return Shape{1, from[1].fixed / area, to[2], to[3], from[2], from[3]};
    return {};
}

// The shape that a permuted pixel (un)shuffle is put together to.
std::optional<Shape> after_shuffle(const GraphMaker& make, int node, const Shape& from) {
    const auto* turn = make.node(node).as<op::Transpose>();
    if (!turn || from.size() != 6) return {};
    const auto merged = [](const Extent& a, const Extent& b) { return product(a, b).value_or(Extent(0)); };
    if (turn->order == std::vector<int>{0, 3, 1, 4, 2})
        return Shape{1, from[1], merged(from[2], from[3]), merged(from[4], from[5])};
    if (turn->order == std::vector<int>{0, 2, 4, 1, 3})
        return Shape{1, merged(from[1], merged(from[2], from[3])), from[4], from[5]};
    return {};
}

// A tensor that is repeated along sides of one, or so many times along others.
Result<int> repeated(OnnxNode& n, int from, const Shape& own, const Shape& wanted) {
    const std::size_t skipped = OnnxNode::batched(own) ? 1 : 0;
    if (wanted.size() != own.size() || (skipped && wanted[0] != Extent(1)))
        return unsupported("a repetition of " + text(own) + " to " + text(wanted));
    for (std::size_t i = skipped; i < own.size(); ++i) {
        if (wanted[i] == own[i]) continue;
        if (!own[i].constant() || !wanted[i].constant() || own[i].fixed < 1 || wanted[i].fixed % own[i].fixed != 0)
            return unsupported("a repetition of " + text(own) + " to " + text(wanted));
        TRY(from, n.make.repeat(from, static_cast<int>(i - skipped), saturated(wanted[i].fixed / own[i].fixed)));
    }
    return from;
}

// Where all sides are numbers.
Result<void> reshape_of_own_size(OnnxNode& n, int from, Shape sides) {
    const Size picture = *n.make.own;
    const Shape& own = n.operand(0).shape;
    std::size_t open = sides.size();
    for (std::size_t i = 0; i < sides.size(); ++i) {
        if (sides[i] == Extent(0) && n.number("allowzero", 0) == 0 && i < own.size()) sides[i] = own[i];
        if (sides[i] == Extent(-1)) open = i;
    }
    const auto whole = volume_at(own, picture);
    if (open < sides.size()) {
        sides[open] = 1;
        const auto others = volume_at(sides, picture);
        if (whole && others && *others > 0) sides[open] = *whole / *others;
    }
    if (!whole || volume_at(sides, picture) != whole)
        return malformed("a reshape of " + text(own) + " to " + text(sides));
    TRY(const int made, n.make.reshape(from, without_batch(sides)));
    return n.define(made, sides);
}

// Sides that no tensor can be given, whatever its own.
Result<void> check_sides(const Shape& sides) {
    if (sides.size() > 8) return malformed("a reshape to " + std::to_string(sides.size()) + " dimensions");
    for (const Extent& side : sides) {
        if (!side.constant()) continue;
        if (side.fixed < -1) return malformed("a reshape to " + text(sides) + ": a side of " + side.text());
        TRY(fitting(side.fixed, "side of a reshape"));
    }
    if (std::count(sides.begin(), sides.end(), Extent(-1)) > 1)
        return malformed("a reshape to " + text(sides) + ": only one side may be -1");
    return {};
}

Result<void> reshape(OnnxNode& n) {
    if (!n.constant(1)) return unsupported("a reshape to sizes that are computed");
    TRY(std::vector<Extent> sides, sizes_of(*n.constant(1)));
    TRY(check_sides(sides));
    if (n.operand(0).form == Form::expanded) {
        const Value& value = n.operand(0);
        if (n.one_number(0)) return n.pend(Form::expanded, value.node, std::move(sides));
        Shape before = n.make.shape(value.node);
        while (before.size() < value.shape.size()) before.insert(before.begin(), Extent(1));
        TRY(const int filled, repeated(n, value.node, before, value.shape));
        n.replace(0, filled);
    }
    TRY(const int from, n.node(0));
    if (n.make.own) return reshape_of_own_size(n, from, std::move(sides));
    const Shape& own = n.operand(0).shape;
    Shape plain = sides;
    std::optional<std::size_t> open;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        if (sides[i] == Extent(0) && n.number("allowzero", 0) == 0 && i < own.size()) sides[i] = own[i];
        if (sides[i] == Extent(-1)) open = open ? sides.size() : i;
    }
    const auto whole = volume(own);
    if (open && *open < sides.size()) {
        sides[*open] = 1;
        // What the other sides leave: they are divided out one by one, sizes that are the operand's own first.
        std::optional<Extent> rest = whole;
        for (std::size_t i = 0; i < sides.size() && rest; ++i)
            if (i != *open && sides[i].constant())
                rest = sides[i].fixed > 0 ? quotient(*rest, sides[i].fixed) : std::nullopt;
        if (rest)
            for (std::size_t i = 0; i < sides.size() && rest; ++i) {
                if (sides[i].constant() || i == *open) continue;
                std::optional<Extent> found;
                const Extent candidates[] = {Extent::rows(), Extent::columns(), Extent(1),
                                             product(Extent::rows(), Extent::columns()).value_or(Extent(1))};
                for (const Extent& candidate : candidates)
                    for (std::int64_t den = 1; den <= 64 && !found; ++den) {
                        const auto smaller = quotient(candidate, den);
                        const auto all = smaller ? product(*smaller, sides[i]) : smaller;
                        if (!all || all->constant() != rest->constant()) continue;
                        // all * k == rest for a whole k
                        for (const auto& [a, r] :
                             {std::pair{all->h, rest->h}, {all->w, rest->w}, {all->area, rest->area}}) {
                            if (a == 0 || r * all->den % (a * rest->den) != 0) continue;
                            const auto scaled = product(*all, r * all->den / (a * rest->den));
                            if (scaled && *scaled == *rest) found = product(*smaller, r * all->den / (a * rest->den));
                        }
                    }
                rest = found;
            }
        if (rest) sides[*open] = *rest;
    }
    const auto asked = volume(sides);
    if (!whole || !asked || *whole != *asked) {
        auto known = fixed_shuffle(own, plain);
        if (!known && sides.size() == 4) known = after_shuffle(n.make, from, own);
        if (!known)
            return unsupported(
                "a reshape of " + text(own) + " to " + text(plain) +
                "; a file for one size of picture must be exported with rows and columns that can change");
        sides = *known;
    }
    TRY(const int made, n.make.reshape(from, without_batch(sides)));
    return n.define(made, sides);
}

Result<void> transpose(OnnxNode& n) {
    const Shape own = n.operand(0).shape;
    Integers order;
    if (auto given = n.list("perm"))
        order = *given;
    else
        for (std::size_t i = own.size(); i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
    Shape shape;
    for (const std::int64_t from : order) {
        if (from < 0 || static_cast<std::size_t>(from) >= own.size())
            return malformed("a transposition in an order that is none");
        shape.push_back(own[static_cast<std::size_t>(from)]);
    }
    if (shape.size() != own.size()) return malformed("a transposition in an order that is none");
    const bool drops = OnnxNode::batched(own) && order[0] == 0;
    std::vector<int> axes;
    for (std::size_t i = drops ? 1 : 0; i < order.size(); ++i)
        axes.push_back(static_cast<int>(order[i]) - (drops ? 1 : 0));
    TRY(int from, drops || !OnnxNode::batched(own) ? n.node(0) : n.with_batch(0));
    TRY(const int made, n.make.transpose(from, std::move(axes)));
    return n.define(made, std::move(shape));
}

// A position in a slice, relative to the end where it moves with the picture.
Result<int> place_in(const Extent& place, const Extent& side) {
    if (place.constant()) return saturated(place.fixed);
    const auto negative = product(side, -1);
    const auto rest = negative ? sum(place, *negative) : negative;
    if (!rest || !rest->constant()) return unsupported("a slice up to " + place.text() + " of " + side.text());
    return rest->fixed >= 0 ? op::Slice::kEnd : saturated(rest->fixed);
}

// Each `step`th row or column of a picture, the first among them, whatever is left over at its end.
Result<int> every(OnnxNode& n, int from, int axis, int step) {
    const Shape& shape = n.make.shape(from);
    if (shape.size() != 3 || !shape[0].constant() || axis < 1)
        return unsupported("a slice in steps of " + text(shape));
    const std::int64_t channels = shape[0].fixed;
    TRY(n.make.expand(channels));
    op::Conv2d pick{.groups = static_cast<int>(channels),
                    .weights = make_values(std::vector<float>(static_cast<std::size_t>(channels), 1.0F)),
                    .bias = make_values(std::vector<float>(static_cast<std::size_t>(channels))),
                    .ragged = true};
    (axis == 1 ? pick.stride_h : pick.stride_w) = step;
    return n.make.put(std::move(pick), {from});
}

Result<void> slice(OnnxNode& n) {
    TRY(int from, n.node(0));
    Shape shape = n.operand(0).shape;
    const auto numbers = [&](std::size_t slot, const char* key) -> Result<std::vector<Extent>> {
        if (n.has(slot)) {
            if (!n.constant(slot)) return unsupported("a slice at places that are computed");
            return sizes_of(*n.constant(slot));
        }
        std::vector<Extent> all;
        for (const std::int64_t value : n.list(key).value_or(Integers())) all.emplace_back(value);
        return all;
    };
    for (const std::size_t slot : {1U, 2U})  // of a picture that was continued by its own mirror image
        if (const Known* places = n.constant(slot); places && places->beyond && !places->beyond->is_unknown())
            n.to.continues_otherwise = true;
    TRY(const auto begins, numbers(1, "starts"));
    TRY(const auto ends, numbers(2, "ends"));
    TRY(auto axes, numbers(3, "axes"));
    TRY(const auto steps, numbers(4, "steps"));
    if (axes.empty())
        for (std::size_t i = 0; i < begins.size(); ++i) axes.emplace_back(static_cast<std::int64_t>(i));
    if (ends.size() != begins.size() || axes.size() != begins.size() ||
        (!steps.empty() && steps.size() != begins.size()))
        return malformed("a slice with lists of different sizes");
    for (std::size_t i = 0; i < begins.size(); ++i) {
        const std::int64_t rank = static_cast<std::int64_t>(shape.size());
        const std::int64_t along = axes[i].fixed < 0 ? axes[i].fixed + rank : axes[i].fixed;
        if (!axes[i].constant() || along < 0 || along >= rank)
            return malformed("axis " + axes[i].text() + " of " + text(shape));
        Extent& side = shape[static_cast<std::size_t>(along)];
        TRY(const int begin, place_in(begins[i], side));
        if (begins.size() == 1 && begins[i].constant() && begins[i] == ends[i]) return n.define(known({0}, {}, false));
        TRY(int end, place_in(ends[i], side));
        if (side.constant() && end >= side.fixed) end = op::Slice::kEnd;
        TRY(const int step, steps.empty() ? Result<int>(1) : fitting(steps[i].fixed, "step"));
        if (OnnxNode::batched(shape) && along == 0) {
            if (begin == 0 && end != 0) continue;
            return unsupported("work along the batch");
        }
        const int axis = static_cast<int>(along) - (OnnxNode::batched(shape) ? 1 : 0);
        const bool rest = n.to.ragged() && step > 1 && !side.constant();  // of the last step
        TRY(from, n.make.slice(from, axis, begin, end, rest ? 1 : step));
        if (rest) {
            TRY(from, every(n, from, axis, step));
        }
        side = n.make.shape(from)[static_cast<std::size_t>(along) - (OnnxNode::batched(shape) ? 1 : 0)];
    }
    return n.define(from, std::move(shape));
}

Result<void> split(OnnxNode& n) {
    TRY(const int from, n.node(0));
    Shape shape = n.operand(0).shape;
    std::int64_t along = n.whole("axis", 0);
    TRY(const int axis, n.axis(shape, along));
    if (along < 0) along += static_cast<std::int64_t>(shape.size());
    TRY(auto sizes, n.integers(1, "split"));
    const Extent side = shape[static_cast<std::size_t>(along)];
    const auto parts = static_cast<std::int64_t>(n.layer.outputs.size());
    if (!sizes || sizes->empty()) {
        if (!side.constant() || side.fixed % parts != 0)
            return unsupported(side.text() + " in " + std::to_string(parts) + " parts");
        sizes.emplace(static_cast<std::size_t>(parts), side.fixed / parts);
    }
    if (static_cast<std::int64_t>(sizes->size()) != parts)
        return malformed(std::to_string(sizes->size()) + " sizes for " + std::to_string(parts) + " parts");
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < sizes->size(); ++i) {
        const std::int64_t size = (*sizes)[i];
        if (size < 1 || begin + size > (1 << 24)) return malformed("a part of " + std::to_string(size));
        TRY(const int part, n.make.slice(from, axis, static_cast<int>(begin), static_cast<int>(begin + size), 1));
        begin += size;
        shape[static_cast<std::size_t>(along)] = size;
        TRY(n.define(part, shape, i));
    }
    return {};
}

// Flatten, Squeeze, Unsqueeze, Expand without repetition: the same numbers in another shape.
Result<void> other_shape(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape& own = n.operand(0).shape;
    Shape shape;
    if (n.type == "Flatten") {
        int axis = n.whole("axis", 1);
        if (axis < 0) axis += static_cast<int>(own.size());
        if (axis < 0 || axis > static_cast<int>(own.size()))
            return malformed("axis " + std::to_string(axis) + " of " + text(own));
        const auto outer = volume(Shape(own.begin(), own.begin() + axis)),
                   inner = volume(Shape(own.begin() + axis, own.end()));
        if (!outer || !inner) return unsupported("a reshape of " + text(own));
        shape = {*outer, *inner};
        return n.define(from, std::move(shape));
    }
    TRY(const auto axes, n.integers(1, "axes"));
    if (n.type == "Squeeze") {
        for (std::size_t i = 0; i < own.size(); ++i) {
            const bool named = !axes || std::any_of(axes->begin(), axes->end(), [&](std::int64_t axis) {
                return axis == static_cast<std::int64_t>(i) ||
                       axis + static_cast<std::int64_t>(own.size()) == static_cast<std::int64_t>(i);
            });
            if (!named || (!axes && own[i] != Extent(1)))
                shape.push_back(own[i]);
            else if (own[i] != Extent(1))
                return malformed("a side of " + own[i].text() + " is no single one");
        }
        return n.define(from, std::move(shape));
    }
    if (!axes) return malformed("no axes");
    const auto rank = static_cast<std::int64_t>(own.size() + axes->size());
    if (rank > 8) return malformed("more than 8 dimensions");
    std::vector<bool> fresh(static_cast<std::size_t>(rank), false);
    for (const std::int64_t axis : *axes) {
        const std::int64_t at = axis < 0 ? axis + rank : axis;
        if (at < 0 || at >= rank || fresh[static_cast<std::size_t>(at)])
            return malformed("axis " + std::to_string(axis));
        fresh[static_cast<std::size_t>(at)] = true;
    }
    for (std::size_t i = 0, next = 0; i < fresh.size(); ++i) shape.push_back(fresh[i] ? Extent(1) : own[next++]);
    return n.define(from, std::move(shape));
}

Result<void> expand(OnnxNode& n) {
    if (!n.has(0) || !n.constant(1)) return unsupported("a repetition to sizes that are computed");
    if (n.operand(0).form == Form::length) return at_least(n, n.operand(0), 0);
    TRY(const int from, n.node(0));
    TRY(const Shape wanted, sizes_of(*n.constant(1)));
    const Shape& own = n.operand(0).shape;
    TRY(Shape shape, broadcast(own, wanted));
    if (shape == own) return n.define(from, own);
    return n.pend(Form::expanded, from, std::move(shape));
}

Result<void> tile(OnnxNode& n) {
    TRY(const int from, n.node(0));
    TRY(const Known* const repeats, n.expect_constant(1, "a number of repetitions"));
    const Shape own = n.operand(0).shape;
    if (repeats->count() != static_cast<std::int64_t>(own.size()))
        return malformed(std::to_string(repeats->count()) + " numbers of repetitions for " + text(own));
    Shape wanted = own;
    for (std::size_t i = 0; i < own.size(); ++i) {
        TRY(const Extent by, repeats->size(i));
        const auto side = by == Extent(1) ? std::optional(own[i]) : product(own[i], by);
        if (!side) return malformed("a result too large to be meant");
        wanted[i] = *side;
    }
    TRY(const int made, repeated(n, from, own, wanted));
    return n.define(made, std::move(wanted));
}

// A side of overlapping windows: place k of window l is first + k + step * l. Of each `step` places after another that
// a window has, all windows' are a slice, cut in pieces; the last places are the ends of a slice that ends with them.
Result<int> unfolded(OnnxNode& n, int from, int axis, const Value& places, std::int64_t first) {
    const Shape own = n.make.shape(from);
    const auto at = static_cast<std::size_t>(axis);
    const Extent windows = places.shape[static_cast<std::size_t>(places.outer)];
    const Extent width = places.axis < 0 ? Extent(1) : places.shape[static_cast<std::size_t>(places.axis)];
    const std::int64_t step = places.step;
    const auto length = product(windows, step);
    constexpr std::int64_t kMostParts = 64;
    if (!width.constant() || !length || first < 0 || first + width.fixed < step || width.fixed > kMostParts * step)
        return unsupported("windows of " + width.text() + ", each " + std::to_string(step) + " places");
    Shape cut = own;
    cut[at] = windows;
    cut.insert(cut.begin() + axis + 1, Extent(step));
    std::vector<int> parts;
    for (std::int64_t done = 0; done < width.fixed; done += step) {
        const std::int64_t some = std::min(step, width.fixed - done), begin = first + done + some - step;
        const auto end = sum(*length, begin);
        if (!end) return malformed("windows beyond what is meant");
        TRY(const int behind, place_in(*end, own[at]));
        TRY(int part, n.make.slice(from, axis, saturated(begin), behind, 1));
        TRY(part, n.make.reshape(part, cut));
        TRY(part, n.make.slice(part, axis + 1, saturated(step - some), op::Slice::kEnd, 1));
        parts.push_back(part);
    }
    TRY(const int made, parts.size() == 1 ? Result<int>(parts[0]) : n.make.concat(std::move(parts), axis + 1));
    std::vector<int> order;
    for (int i = 0; i <= static_cast<int>(own.size()); ++i) order.push_back(i);
    if (places.axis < places.outer) std::swap(order[at], order[at + 1]);
    return n.make.transpose(made, std::move(order));
}

// Items at places that count, in windows or not.
Result<void> gather_counted(OnnxNode& n, int from, std::int64_t along) {
    const Value& places = n.operand(1);
    const Shape own = n.operand(0).shape;
    if (!places.first.constant() || along < 0) return unsupported("items from " + places.first.text() + " on");
    TRY(const int axis, n.axis(own, along));
    const Extent& side = own[static_cast<std::size_t>(along)];
    Shape shape(own.begin(), own.begin() + along);
    shape.insert(shape.end(), places.shape.begin(), places.shape.end());
    shape.insert(shape.end(), own.begin() + along + 1, own.end());
    int made = -1;
    if (places.form == Form::strided) {
        TRY(made, unfolded(n, from, axis, places, places.first.fixed));
    } else {
        if (places.axis < 0) return Importer::missing(places);
        const auto end = sum(places.first, places.shape[static_cast<std::size_t>(places.axis)]);
        if (!end || volume(places.shape) != std::optional(places.shape[static_cast<std::size_t>(places.axis)]))
            return Importer::missing(places);
        TRY(const int behind, place_in(*end, side));
        TRY(made, n.make.slice(from, axis, saturated(places.first.fixed), behind, 1));
    }
    return n.define(made, std::move(shape));
}

Result<void> gather(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape own = n.operand(0).shape;
    std::int64_t along = n.whole("axis", 0);
    if (along < 0) along += static_cast<std::int64_t>(own.size());
    if (along < 0 || along >= static_cast<std::int64_t>(own.size()))
        return malformed("axis " + std::to_string(along) + " of " + text(own));
    const auto at = static_cast<std::ptrdiff_t>(along);
    if (n.type == "GatherElements" && n.has(1) && n.operand(1).form == Form::expanded) {  // the same places for all
        const Value& places = n.operand(1);
        const Extent count = places.shape[static_cast<std::size_t>(at)];
        if (volume(n.make.shape(places.node)) != std::optional(count)) return Importer::missing(places);
        TRY(const int axis, n.axis(own, along));
        TRY(const int line, n.make.reshape(places.node, {count}));
        TRY(const int made, n.make.put(op::Gather{axis}, {from, line}));
        return n.define(made, places.shape);
    }
    if (n.type == "GatherElements") {
        TRY(const int axis, n.axis(own, along));
        TRY(const int places, n.node(1));
        TRY(const int made, n.make.put(op::Gather{axis}, {from, places}));
        return n.define(made, n.shape(1));
    }
    if (n.has(1) && (n.operand(1).form == Form::counted || n.operand(1).form == Form::strided))
        return gather_counted(n, from, along);
    const Known* which = n.constant(1);
    Shape shape(own.begin(), own.begin() + at);
    if (!which) {  // places that the network computes
        TRY(const int axis, n.axis(own, along));
        TRY(const int places, n.node(1));
        if (n.operand(1).shape.size() != 1)
            return unsupported("items of " + text(own) + " at computed places of " + text(n.operand(1).shape));
        TRY(const int made, n.make.put(op::Gather{axis}, {from, places}));
        shape.push_back(n.operand(1).shape[0]);
        shape.insert(shape.end(), own.begin() + at + 1, own.end());
        return n.define(made, std::move(shape));
    }
    TRY(const Integers indices, integers_of(*which));
    for (const std::int64_t side : which->sides) shape.emplace_back(side);
    shape.insert(shape.end(), own.begin() + at + 1, own.end());
    const Extent side = own[static_cast<std::size_t>(along)];
    const bool batch = OnnxNode::batched(own);
    if (batch && along == 0) {
        if (indices.size() != 1 || (indices[0] != 0 && indices[0] != -1)) return unsupported("work along the batch");
        return n.define(from, std::move(shape));
    }
    const int axis = static_cast<int>(along) - (batch ? 1 : 0);
    int made = from;
    if (indices.size() == 1) {
        const int first = saturated(indices[0]);
        TRY(made, n.make.slice(from, axis, first, first == -1 ? op::Slice::kEnd : first + 1, 1));
    } else {
        std::vector<float> places;
        for (const std::int64_t index : indices) {
            if (index < 0 && !side.constant()) return unsupported("items from the end of " + side.text());
            places.push_back(static_cast<float>(index < 0 ? index + side.fixed : index));
            if (places.back() < 0 || (side.constant() && places.back() >= static_cast<float>(side.fixed)))
                return malformed("item " + std::to_string(index) + " of " + side.text());
        }
        if (!side.constant()) return unsupported("items of " + side.text());
        std::vector<int> count{static_cast<int>(std::min<std::size_t>(places.size(), INT_MAX))};
        TRY(const int which_node, n.make.constant(std::move(count), make_values(std::move(places))));
        TRY(made, n.make.put(op::Gather{axis}, {from, which_node}));
    }
    return n.define(made, std::move(shape));
}

Result<void> cast(OnnxNode& n) {
    if (const Known* numbers = n.constant(0)) {
        Known cut = *numbers;
        if (!cut.symbolic()) {
            std::vector<float> values;
            for (const float value : *cut.values) values.push_back(std::trunc(value));
            cut.values = make_values(std::move(values));
        }
        cut.whole = true;
        return n.define(std::move(cut));
    }
    if (n.operand(0).form == Form::flag) return n.to.define(n.out(), n.operand(0));
    TRY(const int from, n.node(0));
    constexpr int kFloat = 1, kDouble = 11;
    if (n.whole("to", 0) == kFloat || n.whole("to", 0) == kDouble) return n.define(from, n.operand(0).shape);
    // Places are whole numbers already.
    if (!n.make.node(from).is<op::Argmax>() && !n.make.node(from).is<op::Argsort>())
        return unsupported("a tensor cast to whole numbers");
    return n.define(from, n.operand(0).shape);
}

// All of them in order: some of the largest are not.
Result<void> top_k(OnnxNode& n) {
    TRY(const int from, n.node(0));
    const Shape own = n.operand(0).shape;
    const std::int64_t given = n.whole("axis", -1);
    TRY(const int axis, n.axis(own, given));
    const Extent side = n.make.shape(from)[static_cast<std::size_t>(axis)];
    if (!n.constant(1) || n.constant(1)->count() != 1) return unsupported("a number of items that is computed");
    TRY(const Extent count, n.constant(1)->size(0));
    if (count != side || n.number("sorted", 1) == 0 || n.layer.outputs.size() != 2)
        return unsupported(count.text() + " of " + side.text() + " items");
    TRY(const int places, n.make.put(op::Argsort{axis, n.number("largest", 1) != 0}, {from}));
    TRY(const int values, n.make.put(op::Gather{axis}, {from, places}));
    TRY(n.define(values, own, 0));
    return n.define(places, own, 1);
}

// The sizes of a tensor.
Result<void> shape_of(OnnxNode& n) {
    const Shape shape = n.make.own ? as_numbers(n.shape(0), *n.make.own) : n.shape(0);
    if (n.type == "Size") {
        const auto all = volume(shape);
        if (!all) return unsupported("the size of " + text(shape));
        return n.define(known_sizes({*all}, true));
    }
    const auto rank = static_cast<int>(shape.size());
    const auto inside = [&](int at) { return std::clamp(at < 0 ? at + rank : at, 0, rank); };
    const int first = inside(std::clamp(n.whole("start", 0), -8, 8)),
              end = inside(std::clamp(n.whole("end", rank), -8, 8));
    return n.define(known_sizes(Shape(shape.begin() + first, shape.begin() + std::max(first, end))));
}

const Rule kRules[] = {
    {"Dropout",
     [](OnnxNode& n) -> Result<void> {
         if (n.has(2) && (!n.constant(2) || n.constant(2)->count() != 1 || n.constant(2)->value(0) != 0))
             return unsupported("numbers that are left out at random");
         TRY(const int from, n.node(0));
         return n.define(from, n.operand(0).shape);
     }},
    {"Concat", concat},
    {"Reshape", reshape},
    {"Transpose", transpose},
    {"Slice", slice},
    {"Split", split},
    {"Flatten", other_shape},
    {"Squeeze", other_shape},
    {"Unsqueeze", other_shape},
    {"Expand", expand},
    {"Tile", tile},
    {"Gather", gather},
    {"GatherElements", gather},
    {"TopK", top_k},
    {"Cast", cast},
    {"Shape", shape_of},
    {"Size", shape_of},
};

}  // namespace

std::span<const Rule> move_rules() { return kRules; }

}  // namespace enlarge::onnx_import
