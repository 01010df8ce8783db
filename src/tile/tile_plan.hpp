// SPDX-License-Identifier: Apache-2.0
// The tile size for a memory limit.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.hpp"
#include "enlarge/image.hpp"

namespace enlarge {

struct TileRequest {
    Size picture;             // padded size: sides are multiples of what the network needs
    int halo = 0;             // see TileRules
    int alignment = 1;
    int max_core = 0;         // largest core side; 0 = no bound
    std::int64_t memory_bytes = 0;                   // what all below may take together
    std::function<std::int64_t(Size)> tile_bytes;    // working memory for a tile of this size, halo included
    std::int64_t row_in_bytes = 0;                   // held per input row that a band of tiles reads
    std::int64_t row_out_bytes = 0;                  // held per input row of a band's cores
};

struct TilePlan {
    Size core;                // of all tiles but the last ones
    std::int64_t bytes = 0;   // estimate of the memory taken
};

// The cores that read the fewest pixels twice while keeping within the limit; among equals the largest. Depends on
// nothing but the request. Fails with Errc::memory, saying how much is needed, when not even the smallest core fits.
Result<TilePlan> plan_tiles(const TileRequest& request);

}  // namespace enlarge
