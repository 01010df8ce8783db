// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.hpp"

#include <cstdlib>
#include <numeric>
#include <utility>

namespace enlarge {
namespace {

// Wide enough for products of three numbers below kMost.
__extension__ using Wide = __int128;

constexpr std::int64_t kMost = std::int64_t{1} << 24, kMostDen = 1 << 16;

Wide gcd(Wide a, Wide b) {
    if (a < 0) a = -a;
    if (b < 0) b = -b;
    while (b != 0) {
        const Wide rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// In lowest terms, or nothing when a number is too large.
std::optional<Extent> reduced(Wide fixed, Wide h, Wide w, Wide area, Wide den) {
    const Wide divisor = gcd(gcd(h, w), gcd(area, den));
    if (den / divisor > kMostDen) return {};
    Extent result;
    for (auto [from, to] : {std::pair{fixed, &result.fixed},
                            {h / divisor, &result.h},
                            {w / divisor, &result.w},
                            {area / divisor, &result.area},
                            {den / divisor, &result.den}}) {
        if (from > kMost || from < -kMost) return {};
        *to = static_cast<std::int64_t>(from);
    }
    return result;
}

}  // namespace

Extent Extent::rows(std::int64_t num, std::int64_t den) { return reduced(0, num, 0, 0, den).value_or(Extent()); }
Extent Extent::columns(std::int64_t num, std::int64_t den) { return reduced(0, 0, num, 0, den).value_or(Extent()); }

std::int64_t Extent::at(Size picture) const {
    const Wide sum =
        Wide{h} * picture.height + Wide{w} * picture.width + Wide{area} * picture.height * picture.width + rest;
    return static_cast<std::int64_t>(fixed + times * (sum / den - (sum < 0 && sum % den != 0 ? 1 : 0)));
}

std::int64_t Extent::multiple() const {
    if (floor) return 1;
    std::int64_t least = std::lcm(den / std::gcd(den, h), den / std::gcd(den, w));
    // Where only the area counts, sides that each hold a part of the denominator will do.
    const std::int64_t step = least;
    while (Wide{least} * least % den * (area % den) % den != 0) least += step;
    return least;
}

std::string Extent::text() const {
    std::string sum;
    const auto term = [&](std::int64_t factor, const char* name) {
        if (factor == 0) return;
        const std::int64_t common = floor ? 1 : std::gcd(factor, den);
        sum += sum.empty() ? (factor < 0 ? "-" : "") : (factor < 0 ? " - " : " + ");
        if (const std::int64_t size = std::abs(factor / common); size != 1) sum += std::to_string(size);
        sum += name;
        if (!floor && den / common != 1) sum += "/" + std::to_string(den / common);
    };
    const auto number = [&](std::int64_t value) {
        if (value != 0) sum += (value < 0 ? " - " : " + ") + std::to_string(std::abs(value));
    };
    term(area, "HW");
    term(h, "H");
    term(w, "W");
    if (sum.empty()) return std::to_string(fixed);
    if (floor) {
        number(rest);
        sum = (times == 1 ? "" : std::to_string(times)) + "floor((" + sum + ")/" + std::to_string(den) + ")";
    }
    number(fixed);
    return sum;
}

std::optional<Extent> sum(const Extent& a, const Extent& b) {
    if (a.floor || b.floor) {
        Extent result = a.floor ? a : b;
        const Extent& other = a.floor ? b : a;
        if (std::abs(result.fixed + other.fixed) > kMost) return {};
        result.fixed += other.fixed;
        if (other.constant()) return result;
        Extent same = other;
        same.fixed = result.fixed;
        same.times = result.times;
        if (same != result || std::abs(result.times + other.times) > kMost) return {};
        result.times += other.times;
        return result.times == 0 ? Extent(result.fixed) : result;
    }
    const Wide p = a.den, q = b.den;
    return reduced(Wide{a.fixed} + b.fixed, a.h * q + b.h * p, a.w * q + b.w * p, a.area * q + b.area * p, p * q);
}

std::optional<Extent> product(const Extent& a, const Extent& b) {
    if (a == Extent(1)) return b;
    if (b == Extent(1)) return a;
    if (a.floor || b.floor) {
        Extent result = a.floor ? a : b;
        const Extent& factor = a.floor ? b : a;
        if (!factor.constant()) return {};
        for (std::int64_t* number : {&result.fixed, &result.times}) {
            const Wide larger = Wide{*number} * factor.fixed;
            if (larger > kMost || larger < -kMost) return {};
            *number = static_cast<std::int64_t>(larger);
        }
        return factor.fixed == 0 ? Extent(0) : result;
    }
    // H * H, W * W and anything times H * W are no extents.
    const bool squares = (a.h != 0 && b.h != 0) || (a.w != 0 && b.w != 0);
    if (squares || (a.area != 0 && !b.constant()) || (b.area != 0 && !a.constant())) return {};
    const Wide p = a.den, q = b.den;
    return reduced(Wide{a.fixed} * b.fixed, Wide{a.fixed} * b.h * p + Wide{b.fixed} * a.h * q,
                   Wide{a.fixed} * b.w * p + Wide{b.fixed} * a.w * q,
                   Wide{a.fixed} * b.area * p + Wide{b.fixed} * a.area * q + Wide{a.h} * b.w + Wide{a.w} * b.h, p * q);
}

std::optional<Extent> quotient(const Extent& a, std::int64_t number) {
    if (number == 1) return a;
    if (number < 1 || a.fixed % number != 0 || (a.floor && a.times % number != 0)) return {};
    if (a.floor) {
        Extent result = a;
        result.fixed /= number;
        result.times /= number;
        return result;
    }
    return reduced(a.fixed / number, a.h, a.w, a.area, Wide{a.den} * number);
}

std::optional<Extent> floor_quotient(const Extent& a, std::int64_t number) {
    if (number < 1 || number > kMostDen || a.den > kMostDen / number) return {};
    if (auto whole = quotient(a, number); whole && whole->den == a.den) return whole;
    Extent result = a;
    if (a.floor && a.times != 1) {
        if (a.times % number != 0) return {};
        result.times /= number;
        result.fixed = a.fixed / number - (a.fixed % number < 0 ? 1 : 0);
        return result;
    }
    result.floor = true;
    result.den = a.den * number;
    const std::int64_t inside = a.rest + a.fixed * a.den;
    result.fixed = inside / result.den - (inside % result.den < 0 ? 1 : 0);
    result.rest = inside - result.fixed * result.den;
    if (a.constant()) return Extent(result.fixed);
    return result;
}

std::optional<Extent> volume(const Shape& shape) {
    std::optional<Extent> result = Extent(1);
    for (const Extent& side : shape)
        if (!(result = product(*result, side))) return {};
    return result;
}

std::optional<std::int64_t> volume_at(const Shape& shape, Size picture) {
    std::int64_t result = 1;
    for (const Extent& side : shape)
        if (__builtin_mul_overflow(result, side.at(picture), &result)) return {};
    return result;
}

std::optional<std::vector<std::int64_t>> at(const Shape& shape, Size picture) {
    std::vector<std::int64_t> sides;
    for (const Extent& side : shape) {
        sides.push_back(side.at(picture));
        if (sides.back() < 1) return {};
    }
    return sides;
}

std::string text(const Shape& shape) {
    std::string result;
    for (const Extent& side : shape) result += (result.empty() ? "" : " x ") + side.text();
    return result.empty() ? "a single number" : result;
}

}  // namespace enlarge
