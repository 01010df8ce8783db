// SPDX-License-Identifier: Apache-2.0
#include "arch/known.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

namespace enlarge {
namespace {

using Sides = std::vector<std::int64_t>;

constexpr std::size_t kMostSymbolic = 256;  // numbers of a tensor that depend on the picture
constexpr std::size_t kMostKnownSides = 8;

Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }
Error malformed(const std::string& what) { return {Errc::format, what}; }

std::int64_t product_of(const Sides& sides) {
    std::int64_t product = 1;
    for (const std::int64_t side : sides)
        if (side < 0 || __builtin_mul_overflow(product, side, &product)) return -1;
    return product;
}

Result<std::int64_t> bounded(const Sides& sides) {
    const std::int64_t count = product_of(sides);
    if (count < 0 || count > kMostKnown || sides.size() > kMostKnownSides)
        return Error{Errc::limit, "a constant of more than " + std::to_string(kMostKnown) + " numbers"};
    return count;
}

// A tensor of the numbers of `from` at these places.
Known picked(const Known& from, Sides sides, const std::vector<std::size_t>& places) {
    Known result;
    result.sides = std::move(sides);
    result.whole = from.whole;
    if (from.symbolic()) {
        for (const std::size_t place : places) result.sizes.push_back(from.sizes[place]);
        return result;
    }
    std::vector<float> values;
    values.reserve(places.size());
    for (const std::size_t place : places) values.push_back((*from.values)[place]);
    result.values = Values(std::move(values));
    return result;
}

Known with_sides(const Known& from, Sides sides) {
    Known result = from;
    result.sides = std::move(sides);
    return result;
}

// The steps between neighbours along each side.
Sides strides_of(const Sides& sides) {
    Sides strides(sides.size(), 1);
    for (std::size_t i = sides.size(); i-- > 1;) strides[i - 1] = strides[i] * sides[i];
    return strides;
}

// Calls visit(index along each side) for each number of a tensor of these sides, in order.
template <class Visit>
void for_each_place(const Sides& sides, Visit visit) {
    const std::int64_t count = product_of(sides);
    Sides at(sides.size(), 0);
    for (std::int64_t n = 0; n < count; ++n) {
        visit(at);
        for (std::size_t i = sides.size(); i-- > 0;) {
            if (++at[i] < sides[i]) break;
            at[i] = 0;
        }
    }
}

Result<Sides> broadcast_sides(const Sides& a, const Sides& b) {
    Sides result(std::max(a.size(), b.size()), 1);
    for (std::size_t i = 0; i < result.size(); ++i) {
        const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) return malformed("constants of different sizes");
        result[result.size() - 1 - i] = x == 1 ? y : x;
    }
    TRY(bounded(result));
    return result;
}

// Where each number of a tensor of `sides` is in one of `from`, which is repeated along its sides of 1.
std::vector<std::size_t> spread(const Sides& from, const Sides& sides) {
    const Sides steps = strides_of(from);
    const std::size_t outer = sides.size() - from.size();
    std::vector<std::size_t> places;
    for_each_place(sides, [&](const Sides& at) {
        std::int64_t place = 0;
        for (std::size_t i = 0; i < from.size(); ++i) place += from[i] == 1 ? 0 : at[outer + i] * steps[i];
        places.push_back(static_cast<std::size_t>(place));
    });
    return places;
}

// a / b, a number where one size is a multiple of the other.
std::optional<Extent> ratio(const Extent& a, const Extent& b) {
    if (b.constant()) return b.fixed > 0 ? quotient(a, b.fixed) : std::nullopt;
    if (a == b) return Extent(1);
    constexpr std::int64_t kMostTimes = 64;
    for (std::int64_t times = 2; times <= kMostTimes; ++times)
        if (product(b, times) == std::optional(a)) return Extent(times);
    return {};
}

// a op b as sizes; nothing where that is no size, or not known.
std::optional<Extent> on_sizes(std::string_view type, const Extent& a, const Extent& b, std::int64_t& multiple,
                               bool ragged, bool whole, bool beyond) {
    const auto minus = [](const Extent& x) { return product(x, -1); };
    if (type == "Add") return sum(a, b);
    if (type == "Sub") {
        const auto negative = minus(b);
        return negative ? sum(a, *negative) : negative;
    }
    if (type == "Mul") return product(a, b);
    if (type == "Div" && ragged && b.constant() && b.fixed > 0) {
        const auto exact = quotient(a, b.fixed);
        if (exact && (exact->floor || exact->den == a.den || multiple % exact->multiple() == 0)) return exact;
        return whole ? floor_quotient(a, b.fixed) : std::nullopt;
    }
    if (type == "Div" && beyond && whole && !a.constant() && b.constant() && b.fixed > 0)
        return floor_quotient(a, b.fixed);
    if (type == "Div") return ratio(a, b);
    if (type == "Mod" && a.constant() && !b.constant())  // a little less than a side, as rolls backwards ask for
        return a.fixed < 0 ? sum(b, a) : std::optional(a);
    if (type == "Mod") {
        // Nothing is left over where sides are multiples.
        const auto whole = b.constant() && b.fixed > 0 ? quotient(a, b.fixed) : std::nullopt;
        if (!whole) return {};
        multiple = std::lcm(multiple, whole->multiple());
        if (beyond) return whole->area == 0 && !a.floor ? std::optional(Extent((a.h + a.w) % b.fixed)) : std::nullopt;
        return multiple <= 1024 ? std::optional(Extent(0)) : std::nullopt;
    }
    const auto negative = minus(b);
    const auto difference = negative ? sum(a, *negative) : negative;
    const bool told = difference && difference->constant();
    if (type == "Equal") {
        if (told) return Extent(difference->fixed == 0 ? 1 : 0);
        // Sizes are never negative.
        return (a.constant() && a.fixed < 0) || (b.constant() && b.fixed < 0) ? std::optional(Extent(0)) : std::nullopt;
    }
    if (type == "Max" && told) return difference->fixed >= 0 ? a : b;
    if (type == "Min" && told) return difference->fixed <= 0 ? a : b;
    if (type == "Min" && a.constant() != b.constant()) {
        // Both sides are at least the multiple that was asked for before.
        const Extent &number = a.constant() ? a : b, &size = a.constant() ? b : a;
        const auto least = static_cast<int>(multiple);
        const bool grows = size.h >= 0 && size.w >= 0 && size.area >= 0;
        if (grows && size.at({least, least}) >= number.fixed) return number;
    }
    if (type == "Less" && told) return Extent(difference->fixed < 0 ? 1 : 0);
    if (type == "Greater" && told) return Extent(difference->fixed > 0 ? 1 : 0);
    return {};
}

using Binary = double (*)(double, double);
const std::map<std::string_view, Binary>& binaries() {
    static const std::map<std::string_view, Binary> all{
        {"Add", [](double a, double b) { return a + b; }},
        {"Sub", [](double a, double b) { return a - b; }},
        {"Mul", [](double a, double b) { return a * b; }},
        {"Div", [](double a, double b) { return a / b; }},
        {"Mod", [](double a, double b) { return a - b * std::floor(a / b); }},
        {"Pow", [](double a, double b) { return std::pow(a, b); }},
        {"Max", [](double a, double b) { return a > b ? a : b; }},
        {"Min", [](double a, double b) { return a < b ? a : b; }},
        {"Equal", [](double a, double b) { return a == b ? 1.0 : 0.0; }},
        {"Less", [](double a, double b) { return a < b ? 1.0 : 0.0; }},
        {"Greater", [](double a, double b) { return a > b ? 1.0 : 0.0; }},
        {"LessOrEqual", [](double a, double b) { return a <= b ? 1.0 : 0.0; }},
        {"GreaterOrEqual", [](double a, double b) { return a >= b ? 1.0 : 0.0; }},
        {"And", [](double a, double b) { return a != 0 && b != 0 ? 1.0 : 0.0; }},
        {"Or", [](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; }},
    };
    return all;
}

using Unary = double (*)(double);
const std::map<std::string_view, Unary>& unaries() {
    static const std::map<std::string_view, Unary> all{
        {"Neg", [](double a) { return -a; }},
        {"Abs", [](double a) { return std::fabs(a); }},
        {"Floor", [](double a) { return std::floor(a); }},
        {"Ceil", [](double a) { return std::ceil(a); }},
        {"Round", [](double a) { return std::nearbyint(a); }},
        {"Sqrt", [](double a) { return std::sqrt(a); }},
        {"Exp", [](double a) { return std::exp(a); }},
        {"Log", [](double a) { return std::log(a); }},
        {"Reciprocal", [](double a) { return 1 / a; }},
        {"Not", [](double a) { return a == 0 ? 1.0 : 0.0; }},
        {"Sigmoid", [](double a) { return 1 / (1 + std::exp(-a)); }},
        {"Tanh", [](double a) { return std::tanh(a); }},
        {"Cos", [](double a) { return std::cos(a); }},
        {"Sin", [](double a) { return std::sin(a); }},
        {"Erf", [](double a) { return std::erf(a); }},
        {"Relu", [](double a) { return a < 0 ? 0.0 : a; }},
    };
    return all;
}

Result<Known> binary(std::string_view type, const Known& a, const Known& b, std::int64_t& multiple,
                     const FoldInput& input) {
    TRY(Sides sides, broadcast_sides(a.sides, b.sides));
    const std::vector<std::size_t> from_a = spread(a.sides, sides), from_b = spread(b.sides, sides);
    const bool logical = type == "Equal" || type == "Less" || type == "Greater";
    if (a.symbolic() || b.symbolic()) {
        if (from_a.size() > kMostSymbolic) return unsupported("arithmetic on many sizes");
        // Half of a size, written as a factor.
        Known other = b;
        const Known* right = &b;
        if (type == "Mul" && !b.symbolic() && !b.whole && b.count() == 1 && b.value(0) > 0 && b.value(0) < 1) {
            const double inverse = std::round(1 / b.value(0));
            if (std::fabs(inverse * b.value(0) - 1) < 1e-6) {
                other.values = Values({static_cast<float>(inverse)});
                type = "Div";
                right = &other;
            }
        }
        std::vector<Extent> sizes;
        for (std::size_t i = 0; i < from_a.size(); ++i) {
            TRY(const Extent x, a.size(from_a[i]));
            TRY(const Extent y, right->size(from_b[i]));
            const auto result = on_sizes(type, x, y, multiple, input.ragged, a.whole && b.whole, input.beyond);
            if (!result) return unsupported(std::string(type) + " of the sizes " + x.text() + " and " + y.text());
            sizes.push_back(*result);
        }
        Known result = known_sizes(sizes);
        result.sides = std::move(sides);
        result.whole = logical || (a.whole && b.whole);
        return result;
    }
    const Binary compute = binaries().at(type);
    const bool whole = a.whole && b.whole;
    std::vector<float> values;
    values.reserve(from_a.size());
    for (std::size_t i = 0; i < from_a.size(); ++i) {
        const double result = compute(a.value(from_a[i]), b.value(from_b[i]));
        values.push_back(static_cast<float>(whole && type == "Div" ? std::trunc(result) : result));
    }
    return known(std::move(sides), std::move(values), whole || logical);
}

Result<Known> unary(std::string_view type, const Known& a) {
    if (a.symbolic()) {
        std::vector<Extent> sizes;
        for (const Extent& size : a.sizes) {
            const auto negative = product(size, -1);
            if (type == "Neg" && negative)
                sizes.push_back(*negative);
            else if (type == "Floor" || type == "Ceil" || type == "Round")
                sizes.push_back(size);
            else
                return unsupported(std::string(type) + " of the size " + size.text());
        }
        Known result = known_sizes(sizes);
        result.sides = a.sides;
        result.whole = a.whole;
        return result;
    }
    const Unary compute = unaries().at(type);
    std::vector<float> values;
    for (const float value : *a.values) values.push_back(static_cast<float>(compute(static_cast<double>(value))));
    return known(a.sides, std::move(values), a.whole);
}

Result<std::size_t> axis_in(double axis, std::size_t rank) {
    const double from_front = axis < 0 ? axis + static_cast<double>(rank) : axis;
    if (!(from_front >= 0 && from_front < static_cast<double>(rank)) || axis != std::floor(axis))
        return malformed("axis " + std::to_string(axis) + " of " + std::to_string(rank));
    return static_cast<std::size_t>(from_front);
}

Result<Known> gather(const Known& from, const Known& which, double axis_number) {
    TRY(const std::size_t axis, axis_in(axis_number, from.sides.size()));
    TRY(const std::vector<std::int64_t> indices, integers_of(which));
    Sides sides(from.sides.begin(), from.sides.begin() + static_cast<std::ptrdiff_t>(axis));
    sides.insert(sides.end(), which.sides.begin(), which.sides.end());
    sides.insert(sides.end(), from.sides.begin() + static_cast<std::ptrdiff_t>(axis) + 1, from.sides.end());
    TRY(bounded(sides));
    const std::int64_t side = from.sides[axis];
    std::int64_t outer = 1, inner = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= from.sides[i];
    for (std::size_t i = axis + 1; i < from.sides.size(); ++i) inner *= from.sides[i];
    std::vector<std::size_t> places;
    for (std::int64_t o = 0; o < outer; ++o)
        for (std::int64_t index : indices) {
            if (index < 0) index += side;
            if (index < 0 || index >= side)
                return malformed("item " + std::to_string(index) + " of " + std::to_string(side));
            for (std::int64_t i = 0; i < inner; ++i)
                places.push_back(static_cast<std::size_t>((o * side + index) * inner + i));
        }
    return picked(from, std::move(sides), places);
}

Result<Known> slice(const Known& from, const FoldInput& input) {
    const auto numbers = [&](std::size_t slot, const char* key) -> Result<std::vector<std::int64_t>> {
        if (slot < input.operands.size() && input.operands[slot]) return integers_of(*input.operands[slot]);
        return input.list(key).value_or(std::vector<std::int64_t>());
    };
    TRY(const auto begins, numbers(1, "starts"));
    TRY(const auto ends, numbers(2, "ends"));
    TRY(auto axes, numbers(3, "axes"));
    TRY(const auto steps, numbers(4, "steps"));
    if (axes.empty()) {
        axes.resize(begins.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    if (ends.size() != begins.size() || axes.size() != begins.size() ||
        (!steps.empty() && steps.size() != begins.size()))
        return malformed("a slice with lists of different sizes");
    Sides first(from.sides.size(), 0), step(from.sides.size(), 1), sides = from.sides;
    for (std::size_t i = 0; i < begins.size(); ++i) {
        TRY(const std::size_t axis, axis_in(static_cast<double>(axes[i]), from.sides.size()));
        const std::int64_t side = from.sides[axis], by = steps.empty() ? 1 : steps[i];
        if (by == 0 || by < -side - 1) return malformed("a slice with a step of " + std::to_string(by));
        if (by < 0) {  // from the first down to just above the last
            const auto below = [&](std::int64_t at) {
                return std::clamp<std::int64_t>(at < 0 ? at + side : at, -1, side - 1);
            };
            first[axis] = std::max<std::int64_t>(0, below(begins[i]));
            step[axis] = by;
            sides[axis] = side == 0 ? 0 : std::max<std::int64_t>(0, below(begins[i]) - below(ends[i]) - by - 1) / -by;
            continue;
        }
        const auto inside = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + side : at, 0, side); };
        first[axis] = inside(begins[i]);
        step[axis] = by;
        sides[axis] = std::max<std::int64_t>(0, inside(ends[i]) - first[axis]);
        sides[axis] = sides[axis] / by + (sides[axis] % by != 0 ? 1 : 0);
    }
    const Sides strides = strides_of(from.sides);
    std::vector<std::size_t> places;
    for_each_place(sides, [&](const Sides& at) {
        std::int64_t place = 0;
        for (std::size_t i = 0; i < at.size(); ++i) place += (first[i] + at[i] * step[i]) * strides[i];
        places.push_back(static_cast<std::size_t>(place));
    });
    return picked(from, std::move(sides), places);
}

// Numbers taken one by one from several tensors; sizes when one of those has sizes.
class Picked {
public:
    explicit Picked(bool symbolic) : symbolic_(symbolic) {}
    Result<void> add(const Known& from, std::size_t place) {
        if (!symbolic_) {
            values_.push_back((*from.values)[place]);
            return {};
        }
        TRY(Extent size, from.size(place));
        sizes_.push_back(size);
        return {};
    }
    Known as(Sides sides, bool whole) && {
        if (!symbolic_) return known(std::move(sides), std::move(values_), whole);
        Known result = known_sizes(sizes_);
        result.sides = std::move(sides);
        result.whole = whole;
        return result;
    }

private:
    bool symbolic_;
    std::vector<float> values_;
    std::vector<Extent> sizes_;
};

Result<Known> concat(const std::vector<const Known*>& parts, double axis_number) {
    TRY(const std::size_t axis, axis_in(axis_number, parts[0]->sides.size()));
    Sides sides = parts[0]->sides;
    sides[axis] = 0;
    bool symbolic = false, whole = true;
    for (const Known* part : parts) {
        Sides same = part->sides;
        if (same.size() != sides.size()) return malformed("constants of different sizes");
        sides[axis] += same[axis];
        same[axis] = sides[axis];
        if (same != sides) return malformed("constants of different sizes");
        symbolic = symbolic || part->symbolic();
        whole = whole && part->whole;
    }
    TRY(const std::int64_t count, bounded(sides));
    if (symbolic && count > static_cast<std::int64_t>(kMostSymbolic)) return unsupported("a list of many sizes");
    Picked all(symbolic);
    std::int64_t outer = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= sides[i];
    for (std::int64_t o = 0; o < outer; ++o)
        for (const Known* part : parts) {
            const auto run = static_cast<std::size_t>(outer == 0 ? 0 : part->count() / outer);
            for (std::size_t i = static_cast<std::size_t>(o) * run; i < (static_cast<std::size_t>(o) + 1) * run; ++i)
                TRY(all.add(*part, i));
        }
    return std::move(all).as(std::move(sides), whole);
}

Result<Known> transpose(const Known& from, std::optional<std::vector<std::int64_t>> order) {
    Sides sides;
    if (!order) {
        order.emplace(from.sides.size());
        std::iota(order->rbegin(), order->rend(), 0);
    }
    std::vector<bool> taken(from.sides.size(), false);
    for (const std::int64_t axis : *order) {
        if (axis < 0 || axis >= static_cast<std::int64_t>(taken.size()) || taken[static_cast<std::size_t>(axis)])
            return malformed("a transposition in an order that is none");
        taken[static_cast<std::size_t>(axis)] = true;
        sides.push_back(from.sides[static_cast<std::size_t>(axis)]);
    }
    if (sides.size() != from.sides.size()) return malformed("a transposition in an order that is none");
    const Sides strides = strides_of(from.sides);
    std::vector<std::size_t> places;
    for_each_place(sides, [&](const Sides& at) {
        std::int64_t place = 0;
        for (std::size_t i = 0; i < at.size(); ++i) place += at[i] * strides[static_cast<std::size_t>((*order)[i])];
        places.push_back(static_cast<std::size_t>(place));
    });
    return picked(from, std::move(sides), places);
}

Result<Known> reshape(const Known& from, const Known& shape, bool zero_is_zero) {
    TRY(Sides sides, integers_of(shape));
    if (sides.size() > kMostKnownSides) return malformed("a reshape to too many dimensions");
    std::int64_t others = 1, open = -1;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        if (sides[i] == 0 && !zero_is_zero && i < from.sides.size()) sides[i] = from.sides[i];
        if (sides[i] == -1 && open < 0)
            open = static_cast<std::int64_t>(i);
        else if (sides[i] < 0 || __builtin_mul_overflow(others, sides[i], &others))
            return malformed("a reshape that does not fit");
    }
    if (open >= 0) {
        if (others == 0 || from.count() % others != 0) return malformed("a reshape that does not fit");
        sides[static_cast<std::size_t>(open)] = from.count() / others;
        others *= from.count() / others;
    }
    if (others != from.count()) return malformed("a reshape that does not fit");
    return with_sides(from, std::move(sides));
}

// The axes that Squeeze, Unsqueeze and reductions name, as an input or (older) as an attribute.
Result<std::optional<std::vector<std::int64_t>>> axes_of(const FoldInput& input) {
    if (input.operands.size() > 1 && input.operands[1]) {
        TRY(auto axes, integers_of(*input.operands[1]));
        return std::optional(std::move(axes));
    }
    return input.list("axes");
}

Result<Known> squeeze(const Known& from, const FoldInput& input) {
    TRY(const auto axes, axes_of(input));
    std::vector<bool> gone(from.sides.size(), false);
    if (axes)
        for (const std::int64_t axis : *axes) {
            TRY(const std::size_t i, axis_in(static_cast<double>(axis), from.sides.size()));
            if (from.sides[i] != 1)
                return malformed("a side of " + std::to_string(from.sides[i]) + " is no single one");
            gone[i] = true;
        }
    Sides sides;
    for (std::size_t i = 0; i < from.sides.size(); ++i)
        if (!(axes ? gone[i] : from.sides[i] == 1)) sides.push_back(from.sides[i]);
    return with_sides(from, std::move(sides));
}

Result<Known> unsqueeze(const Known& from, const FoldInput& input) {
    TRY(const auto axes, axes_of(input));
    if (!axes || axes->empty()) return malformed("no axes");
    const std::size_t rank = from.sides.size() + axes->size();
    if (rank > kMostKnownSides) return malformed("too many dimensions");
    std::vector<bool> fresh(rank, false);
    for (const std::int64_t axis : *axes) {
        TRY(const std::size_t i, axis_in(static_cast<double>(axis), rank));
        fresh[i] = true;
    }
    if (static_cast<std::size_t>(std::count(fresh.begin(), fresh.end(), true)) != axes->size())
        return malformed("an axis twice");
    Sides sides;
    for (std::size_t i = 0, next = 0; i < rank; ++i) sides.push_back(fresh[i] ? 1 : from.sides[next++]);
    return with_sides(from, std::move(sides));
}

Result<Known> expand(const Known& from, const Known& shape) {
    TRY(const Sides wanted, integers_of(shape));
    TRY(Sides sides, broadcast_sides(from.sides, wanted));
    const std::vector<std::size_t> places = spread(from.sides, sides);
    if (from.symbolic() && places.size() > kMostSymbolic) return unsupported("a list of many sizes");
    return picked(from, std::move(sides), places);
}

Result<Known> constant_of_shape(const FoldInput& input) {
    TRY(Sides sides, integers_of(*input.operands[0]));
    for (const std::int64_t side : sides)
        if (side < 0) return malformed("a constant with a side of " + std::to_string(side));
    TRY(const std::int64_t count, bounded(sides));
    const auto value = static_cast<float>(input.number("value", 0));
    return known(std::move(sides), std::vector<float>(static_cast<std::size_t>(count), value),
                 input.number("whole", 0) != 0);
}

Result<Known> range(const FoldInput& input) {
    for (std::size_t i = 0; i < 3; ++i)
        if (i >= input.operands.size() || !input.operands[i] || input.operands[i]->count() != 1)
            return malformed("three numbers are expected");
        else if (input.operands[i]->symbolic())
            return unsupported("numbers up to a size that is not known");
    const double first = input.operands[0]->value(0), end = input.operands[1]->value(0),
                 step = input.operands[2]->value(0);
    if (step == 0) return malformed("a range with a step of 0");
    const double count = std::ceil((end - first) / step);
    if (!(count >= 0 && count <= static_cast<double>(kMostKnown)))
        return Error{Errc::limit, "a range that is too long"};
    std::vector<float> values;
    for (double i = 0; i < count; ++i) values.push_back(static_cast<float>(first + i * step));
    return known({static_cast<std::int64_t>(count)}, std::move(values), input.operands[0]->whole);
}

Result<Known> where(const Known& condition, const Known& a, const Known& b) {
    TRY(const Sides both, broadcast_sides(a.sides, b.sides));
    TRY(Sides sides, broadcast_sides(condition.sides, both));
    if (condition.symbolic()) return unsupported("a choice by what is not known");
    const auto of = [&](const Known& from) { return spread(from.sides, sides); };
    const std::vector<std::size_t> which = of(condition), from_a = of(a), from_b = of(b);
    const bool symbolic = a.symbolic() || b.symbolic();
    if (symbolic && which.size() > kMostSymbolic) return unsupported("a list of many sizes");
    Picked result(symbolic);
    for (std::size_t i = 0; i < which.size(); ++i) {
        const bool first = condition.value(which[i]) != 0;
        TRY(first ? result.add(a, from_a[i]) : result.add(b, from_b[i]));
    }
    return std::move(result).as(std::move(sides), a.whole && b.whole);
}

// Of all numbers; of sizes, only all of them.
Result<Known> reduce_sizes(const Known& from, bool product_of_all, bool keep) {
    Extent total(product_of_all ? 1 : 0);
    for (std::size_t i = 0; i < static_cast<std::size_t>(from.count()); ++i) {
        TRY(const Extent size, from.size(i));
        const auto next = product_of_all ? product(total, size) : sum(total, size);
        if (!next) return unsupported("a size that is no multiple of the picture's");
        total = *next;
    }
    Known result = known_sizes({total}, true);
    result.sides.assign(keep ? from.sides.size() : 0, 1);
    return result;
}

Result<Known> reduce(const FoldInput& input) {
    const Known& from = *input.operands[0];
    const bool keep = input.number("keepdims", 1) != 0;
    TRY(const auto axes, axes_of(input));
    std::vector<bool> gone(from.sides.size(), !axes || axes->empty());
    if (axes)
        for (const std::int64_t axis : *axes) {
            TRY(const std::size_t i, axis_in(static_cast<double>(axis), from.sides.size()));
            gone[i] = true;
        }
    const bool whole = std::all_of(gone.begin(), gone.end(), [](bool one) { return one; });
    if (from.symbolic()) {
        if (!whole || (input.type != "ReduceProd" && input.type != "ReduceSum"))
            return unsupported("sizes reduced along some of their axes");
        return reduce_sizes(from, input.type == "ReduceProd", keep);
    }
    Sides sides = from.sides;
    std::int64_t count = 1;
    for (std::size_t i = 0; i < sides.size(); ++i)
        if (gone[i]) {
            count *= sides[i];
            sides[i] = 1;
        }
    std::vector<double> totals(static_cast<std::size_t>(product_of(sides)), input.type == "ReduceProd" ? 1 : 0);
    const std::vector<std::size_t> places = spread(sides, from.sides);
    for (std::size_t i = 0; i < places.size(); ++i) {
        double& total = totals[places[i]];
        const double value = from.value(i);
        if (input.type == "ReduceProd")
            total *= value;
        else
            total += input.type == "ReduceL2" ? value * value : value;
    }
    std::vector<float> values;
    for (const double total : totals)
        values.push_back(static_cast<float>(input.type == "ReduceL2"     ? std::sqrt(total)
                                            : input.type == "ReduceMean" ? total / static_cast<double>(count)
                                                                         : total));
    if (!keep) {
        Sides left;
        for (std::size_t i = 0; i < sides.size(); ++i)
            if (!gone[i]) left.push_back(sides[i]);
        sides = std::move(left);
    }
    return known(std::move(sides), std::move(values),
                 from.whole && input.type != "ReduceL2" && input.type != "ReduceMean");
}

// Between two numbers, as operands or (older) as attributes.
Result<Known> clip(const FoldInput& input) {
    const Known& from = *input.operands[0];
    if (from.symbolic()) return unsupported("a size cut to a range");
    const auto bound = [&](std::size_t i, const char* key, double otherwise) {
        const Known* given = i < input.operands.size() ? input.operands[i] : nullptr;
        return given && !given->symbolic() && given->count() == 1 ? given->value(0) : input.number(key, otherwise);
    };
    const double low = bound(1, "min", -3e38), high = bound(2, "max", 3e38);
    std::vector<float> values;
    for (const float value : *from.values)
        values.push_back(static_cast<float>(std::min(high, std::max(low, static_cast<double>(value)))));
    return known(from.sides, std::move(values), from.whole);
}

// Rows and columns of a matrix whose numbers begin at `from` and lie so far apart.
struct Matrix {
    std::size_t from = 0, row_step = 1, column_step = 1;
    [[nodiscard]] std::size_t at(std::int64_t row, std::int64_t column) const {
        return from + static_cast<std::size_t>(row) * row_step + static_cast<std::size_t>(column) * column_step;
    }
};

double dot(const Known& a, const Matrix& left, std::int64_t row, const Known& b, const Matrix& right,
           std::int64_t column, std::int64_t inner) {
    double sum = 0;
    for (std::int64_t i = 0; i < inner; ++i) sum += a.value(left.at(row, i)) * b.value(right.at(i, column));
    return sum;
}

Result<Known> matmul(const Known& a, const Known& b) {
    if (a.symbolic() || b.symbolic()) return unsupported("a product of matrices of sizes");
    const std::size_t rank_a = a.sides.size(), rank_b = b.sides.size();
    if (rank_a < 2 || rank_b < 2) return unsupported("a product of constants that are no matrices");
    const std::int64_t rows = a.sides[rank_a - 2], inner = a.sides[rank_a - 1], columns = b.sides[rank_b - 1];
    if (b.sides[rank_b - 2] != inner) return malformed("a product of matrices that do not fit");
    const Sides outer_a(a.sides.begin(), a.sides.end() - 2), outer_b(b.sides.begin(), b.sides.end() - 2);
    TRY(Sides sides, broadcast_sides(outer_a, outer_b));
    const std::vector<std::size_t> from_a = spread(outer_a, sides), from_b = spread(outer_b, sides);
    sides.insert(sides.end(), {rows, columns});
    TRY(bounded(sides));
    std::vector<float> values;
    for (std::size_t o = 0; o < from_a.size(); ++o) {
        const auto size = [](std::int64_t x, std::int64_t y) { return static_cast<std::size_t>(x * y); };
        const Matrix left{from_a[o] * size(rows, inner), static_cast<std::size_t>(inner)},
            right{from_b[o] * size(inner, columns), static_cast<std::size_t>(columns)};
        for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < columns; ++c)
                values.push_back(static_cast<float>(dot(a, left, r, b, right, c, inner)));
    }
    return known(std::move(sides), std::move(values), a.whole && b.whole);
}

Result<Known> gemm(const FoldInput& input) {
    const Known &a = *input.operands[0], &b = *input.operands[1];
    if (a.symbolic() || b.symbolic() || a.sides.size() != 2 || b.sides.size() != 2)
        return unsupported("a product of constants that are no matrices");
    const bool turn_a = input.number("transA", 0) != 0, turn_b = input.number("transB", 0) != 0;
    const std::int64_t rows = a.sides[turn_a ? 1 : 0], inner = a.sides[turn_a ? 0 : 1],
                       columns = b.sides[turn_b ? 0 : 1];
    if (b.sides[turn_b ? 1 : 0] != inner) return malformed("a product of matrices that do not fit");
    const auto matrix = [](const Known& of, bool turned) {
        const auto step = static_cast<std::size_t>(of.sides[1]);
        return turned ? Matrix{0, 1, step} : Matrix{0, step, 1};
    };
    Sides sides{rows, columns};
    TRY(bounded(sides));
    const Known* added = input.operands.size() > 2 ? input.operands[2] : nullptr;
    std::vector<std::size_t> from;
    if (added) {
        TRY(const Sides both, broadcast_sides(sides, added->sides));
        if (both != sides || added->symbolic()) return malformed("a product of matrices and a sum that do not fit");
        from = spread(added->sides, sides);
    }
    const double alpha = input.number("alpha", 1), beta = input.number("beta", 1);
    std::vector<float> values;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
            double sum = alpha * dot(a, matrix(a, turn_a), r, b, matrix(b, turn_b), c, inner);
            if (added) sum += beta * added->value(from[values.size()]);
            values.push_back(static_cast<float>(sum));
        }
    return known(std::move(sides), std::move(values));
}

// Along the innermost side.
Result<Known> layer_norm(const FoldInput& input) {
    const Known& from = *input.operands[0];
    const auto rank = static_cast<double>(from.sides.size());
    const double axis = input.number("axis", -1);
    if (from.symbolic() || rank < 1 || (axis != -1 && axis != rank - 1))
        return unsupported("a constant normalised along several axes");
    const auto side = static_cast<std::size_t>(from.sides.back());
    const Known* factors[2] = {};
    for (std::size_t i = 0; i < 2; ++i) {
        if (i + 1 >= input.operands.size()) continue;
        factors[i] = input.operands[i + 1];
        if (factors[i] && (factors[i]->symbolic() || static_cast<std::size_t>(factors[i]->count()) != side))
            return malformed("factors that are not one per number");
    }
    const double epsilon = input.number("epsilon", 1e-5);
    std::vector<float> values;
    for (std::size_t first = 0; first < static_cast<std::size_t>(from.count()); first += side) {
        double mean = 0, variance = 0;
        for (std::size_t i = 0; i < side; ++i) mean += from.value(first + i) / static_cast<double>(side);
        for (std::size_t i = 0; i < side; ++i) {
            const double off = from.value(first + i) - mean;
            variance += off * off / static_cast<double>(side);
        }
        for (std::size_t i = 0; i < side; ++i) {
            const double scaled = (from.value(first + i) - mean) / std::sqrt(variance + epsilon);
            values.push_back(static_cast<float>(scaled * (factors[0] ? factors[0]->value(i) : 1) +
                                                (factors[1] ? factors[1]->value(i) : 0)));
        }
    }
    return known(from.sides, std::move(values));
}

}  // namespace

std::int64_t fold_work(const FoldInput& input) {
    constexpr std::int64_t kShare = 16;  // multiplications for the price of a number
    if ((input.type != "MatMul" && input.type != "Gemm") || input.operands.size() < 2) return 0;
    const Known *a = input.operands[0], *b = input.operands[1];
    if (!a || !b || a->sides.size() < 2 || b->sides.empty()) return 0;
    // Of whatever order: all of one times the other's longest side.
    const std::int64_t longest = *std::max_element(b->sides.begin(), b->sides.end());
    const std::int64_t outer = std::max<std::int64_t>(1, b->count() / std::max<std::int64_t>(1, b->sides.back()));
    return a->count() * std::min(std::max<std::int64_t>(longest, 1), kMostKnown) / kShare + outer;
}

std::int64_t Known::count() const { return symbolic() ? static_cast<std::int64_t>(sizes.size()) : values.count(); }

Result<Extent> Known::size(std::size_t i) const {
    if (symbolic()) return sizes[i];
    const double number = value(i);
    if (number != std::floor(number)) return malformed(std::to_string(number) + " as a size");
    return Extent(static_cast<std::int64_t>(std::clamp(number, -0x1p40, 0x1p40)));  // "up to the end" is often 2^63 - 1
}

Known known(const Tensor& tensor) { return known(tensor.shape, tensor.values, tensor.integers); }

Known known(std::vector<std::int64_t> sides, std::vector<float> values, bool whole) {
    Known result;
    result.sides = std::move(sides);
    result.values = Values(std::move(values));
    result.whole = whole;
    return result;
}

Known known_sizes(const std::vector<Extent>& sizes, bool scalar) {
    Known result;
    if (!scalar) result.sides = {static_cast<std::int64_t>(sizes.size())};
    result.whole = true;
    const bool plain = std::all_of(sizes.begin(), sizes.end(), [](const Extent& size) { return size.constant(); });
    if (plain) {
        std::vector<float> values;
        for (const Extent& size : sizes) values.push_back(static_cast<float>(size.fixed));
        result.values = Values(std::move(values));
    } else {
        result.sizes = sizes;
    }
    return result;
}

Result<std::vector<Extent>> sizes_of(const Known& numbers) {
    if (numbers.count() > static_cast<std::int64_t>(kMostSymbolic))
        return malformed(std::to_string(numbers.count()) + " sizes");
    std::vector<Extent> sizes;
    for (std::size_t i = 0; i < static_cast<std::size_t>(numbers.count()); ++i) {
        TRY(Extent size, numbers.size(i));
        sizes.push_back(size);
    }
    return sizes;
}

Result<std::vector<std::int64_t>> integers_of(const Known& numbers) {
    if (numbers.symbolic())
        return unsupported("the size " + numbers.sizes[0].text() + " where a plain number is expected");
    std::vector<std::int64_t> all;
    for (const float number : *numbers.values) {
        if (!(number == std::floor(number)))
            return malformed(std::to_string(number) + " where a whole number is expected");
        all.push_back(static_cast<std::int64_t>(std::clamp(static_cast<double>(number), -4e18, 4e18)));
    }
    return all;
}

std::optional<Result<Known>> fold(const FoldInput& input, std::int64_t& multiple) {
    const std::string_view type = input.type;
    const std::size_t given = input.operands.size();
    const auto has = [&](std::size_t i) { return i < given && input.operands[i] != nullptr; };
    if (!has(0)) return {};
    const Known& first = *input.operands[0];
    if (binaries().contains(type) && given == 2 && has(1))
        return binary(type, first, *input.operands[1], multiple, input);
    if (unaries().contains(type)) return unary(type, first);
    if (type == "Gather" && has(1)) return gather(first, *input.operands[1], input.number("axis", 0));
    if (type == "Slice") return slice(first, input);
    if (type == "Concat" && std::all_of(input.operands.begin(), input.operands.end(), [](auto* part) { return part; }))
        return concat(input.operands, input.number("axis", 0));
    if (type == "Transpose") return transpose(first, input.list("perm"));
    if (type == "Reshape" && has(1)) return reshape(first, *input.operands[1], input.number("allowzero", 0) != 0);
    if (type == "Flatten") return with_sides(first, {1, first.count()});
    if (type == "Squeeze") return squeeze(first, input);
    if (type == "Unsqueeze") return unsqueeze(first, input);
    if (type == "Expand" && has(1)) return expand(first, *input.operands[1]);
    if (type == "ConstantOfShape") return constant_of_shape(input);
    if (type == "Range") return range(input);
    if (type == "Where" && has(1) && has(2)) return where(first, *input.operands[1], *input.operands[2]);
    if (type == "MatMul" && has(1)) return matmul(first, *input.operands[1]);
    if (type == "Gemm" && has(1)) return gemm(input);
    if (type == "LayerNormalization") return layer_norm(input);
    if (type == "ReduceProd" || type == "ReduceSum" || type == "ReduceMean" || type == "ReduceL2") return reduce(input);
    if (type == "Clip") return clip(input);
    const bool plain = std::none_of(input.operands.begin(), input.operands.end(),
                                    [](const Known* operand) { return operand && operand->symbolic(); });
    if (type == "GatherND" && has(1) && plain && input.number("batch_dims", 0) == 0)
        return gather_nd(first, *input.operands[1]);
    if (type == "ScatterND" && has(1) && has(2) && plain)
        return scatter_nd(first, *input.operands[1], *input.operands[2]);
    return {};
}

}  // namespace enlarge
