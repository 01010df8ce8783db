// SPDX-License-Identifier: Apache-2.0
// Places in one block of memory for things that are needed for a while.
#pragma once

#include <cstdint>
#include <vector>

namespace enlarge {

// Something of `size` units that is needed from step `first` to step `last`, both included.
struct Lifetime {
    std::int64_t size = 0;
    int first = 0, last = 0;
};

struct Arena {
    std::vector<std::int64_t> offset;  // of each
    std::int64_t size = 0;             // of the whole block
};

// No two that are needed at the same time overlap; sizes and offsets are multiples of `alignment`. The largest are
// placed first, each as low as it fits.
Arena place_in_arena(const std::vector<Lifetime>& lifetimes, std::int64_t alignment);

}  // namespace enlarge
