// SPDX-License-Identifier: Apache-2.0
#include "plan/arena.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace enlarge {

Arena place_in_arena(const std::vector<Lifetime>& lifetimes, std::int64_t alignment) {
    const auto rounded = [&](std::size_t i) { return (lifetimes[i].size + alignment - 1) / alignment * alignment; };
    std::vector<std::size_t> order(lifetimes.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return lifetimes[a].size > lifetimes[b].size; });
    Arena arena;
    arena.offset.assign(lifetimes.size(), 0);
    std::vector<std::size_t> placed;
    for (const std::size_t i : order) {
        if (lifetimes[i].size == 0) break;
        std::vector<std::pair<std::int64_t, std::int64_t>> taken;  // while this one is needed
        for (const std::size_t k : placed)
            if (lifetimes[k].first <= lifetimes[i].last && lifetimes[i].first <= lifetimes[k].last)
                taken.emplace_back(arena.offset[k], arena.offset[k] + rounded(k));
        std::sort(taken.begin(), taken.end());
        std::int64_t at = 0;
        for (const auto& [begin, end] : taken) {
            if (at + rounded(i) <= begin) break;
            at = std::max(at, end);
        }
        arena.offset[i] = at;
        arena.size = std::max(arena.size, at + rounded(i));
        placed.push_back(i);
    }
    return arena;
}

}  // namespace enlarge
