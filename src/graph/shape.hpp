// SPDX-License-Identifier: Apache-2.0
// The shapes of tensors, as functions of the picture's size: a graph runs at any size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "enlarge/image.hpp"

namespace enlarge {

// One side of a tensor for a picture of H rows and W columns: fixed + (h * H + w * W + area * H * W) / den. The
// quotient is a whole number for every picture whose sides are multiples of multiple(). Kept in lowest terms, so equal
// functions are equal values. One that is rounded down has `rest` inside the quotient and is whole for every picture:
// fixed + times * floor((... + rest) / den); only fixed numbers and the same quotient can be added to it.
struct Extent {
    std::int64_t fixed = 0;
    std::int64_t h = 0, w = 0, area = 0;
    std::int64_t den = 1;
    bool floor = false;
    std::int64_t rest = 0, times = 1;

    Extent() = default;
    Extent(std::int64_t number) : fixed(number) {}  // NOLINT: numbers are extents
    static Extent rows(std::int64_t num = 1, std::int64_t den = 1);
    static Extent columns(std::int64_t num = 1, std::int64_t den = 1);

    [[nodiscard]] bool constant() const { return h == 0 && w == 0 && area == 0; }
    // For a picture of this size.
    [[nodiscard]] std::int64_t at(Size picture) const;
    // The least number that both sides must be a multiple of.
    [[nodiscard]] std::int64_t multiple() const;
    // "3", "H/2", "2W + 1", "HW/64".
    [[nodiscard]] std::string text() const;

    bool operator==(const Extent&) const = default;
};

// Nothing where the result is no such function (H * H), or has numbers beyond any network's (2^24).
std::optional<Extent> sum(const Extent& a, const Extent& b);
std::optional<Extent> product(const Extent& a, const Extent& b);
// a / number, whose fixed part must be a whole number.
std::optional<Extent> quotient(const Extent& a, std::int64_t number);
// a / number, rounded down.
std::optional<Extent> floor_quotient(const Extent& a, std::int64_t number);

// Sides of a tensor, outermost first; without a batch. A picture's are channels, rows, columns.
using Shape = std::vector<Extent>;

// The product of all sides, where it is an Extent.
std::optional<Extent> volume(const Shape& shape);

// The same for a picture of this size; nothing where that is more than an int64 holds.
std::optional<std::int64_t> volume_at(const Shape& shape, Size picture);

// All sides for a picture of this size: each at least 1, or nothing.
std::optional<std::vector<std::int64_t>> at(const Shape& shape, Size picture);

std::string text(const Shape& shape);  // "64 x H/2 x W/2"

}  // namespace enlarge
