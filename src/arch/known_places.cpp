// SPDX-License-Identifier: Apache-2.0
// GatherND and ScatterND of known numbers: masks of windows and tables of files for one size are made with them.
#include <algorithm>

#include "arch/known.hpp"

namespace enlarge {
namespace {

Error malformed(const std::string& what) { return {Errc::format, what}; }

std::int64_t product(std::span<const std::int64_t> sides) {
    std::int64_t all = 1;
    for (const std::int64_t side : sides)
        if (side < 0 || __builtin_mul_overflow(all, side, &all)) return -1;
    return all;
}

// Where the blocks that a list of places names begin, and how long each is.
struct Blocks {
    std::vector<std::size_t> first;
    std::size_t length = 0;
};

Result<Blocks> blocks_of(const Known& data, const Known& places) {
    if (places.sides.empty()) return malformed("places without sides");
    const std::int64_t depth = places.sides.back(), rank = static_cast<std::int64_t>(data.sides.size());
    if (depth < 1 || depth > rank) return malformed("places of " + std::to_string(depth) + " numbers");
    TRY(const std::vector<std::int64_t> numbers, integers_of(places));
    const std::span<const std::int64_t> sides(data.sides);
    Blocks blocks;
    const std::int64_t length = product(sides.subspan(static_cast<std::size_t>(depth)));
    if (length < 0 || length > kMostKnown) return malformed("a tensor too large to be meant");
    blocks.length = static_cast<std::size_t>(length);
    for (std::size_t i = 0; i < numbers.size(); i += static_cast<std::size_t>(depth)) {
        std::int64_t at = 0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(depth); ++k) {
            const std::int64_t side = sides[k], place = numbers[i + k] < 0 ? numbers[i + k] + side : numbers[i + k];
            if (place < 0 || place >= side)
                return malformed("place " + std::to_string(place) + " of " + std::to_string(side));
            at = at * side + place;
        }
        blocks.first.push_back(static_cast<std::size_t>(at) * blocks.length);
    }
    return blocks;
}

}  // namespace

Result<Known> gather_nd(const Known& data, const Known& places) {
    TRY(const Blocks blocks, blocks_of(data, places));
    std::vector<std::int64_t> sides(places.sides.begin(), places.sides.end() - 1);
    sides.insert(sides.end(), data.sides.begin() + places.sides.back(), data.sides.end());
    if (const std::int64_t count = product(sides); count < 0 || count > kMostKnown)
        return Error{Errc::limit, "a constant of more than " + std::to_string(kMostKnown) + " numbers"};
    std::vector<float> values;
    for (const std::size_t first : blocks.first)
        for (std::size_t i = 0; i < blocks.length; ++i) values.push_back((*data.values)[first + i]);
    return known(std::move(sides), std::move(values), data.whole);
}

Result<Known> scatter_nd(const Known& data, const Known& places, const Known& updates) {
    if (places.count() == 0) return data;
    TRY(const Blocks blocks, blocks_of(data, places));
    if (static_cast<std::size_t>(updates.count()) != blocks.first.size() * blocks.length)
        return malformed(std::to_string(updates.count()) + " numbers for " + std::to_string(blocks.first.size()) +
                         " places");
    std::vector<float> values(data.values->begin(), data.values->end());
    for (std::size_t n = 0; n < blocks.first.size(); ++n)
        for (std::size_t i = 0; i < blocks.length; ++i)
            values[blocks.first[n] + i] = (*updates.values)[n * blocks.length + i];
    return known(data.sides, std::move(values), data.whole);
}

}  // namespace enlarge
