// SPDX-License-Identifier: Apache-2.0
#include "tile/tile_plan.hpp"

#include <algorithm>
#include <string>

namespace enlarge {
namespace {

// Side of a core when a line of `length` is cut into `count` equal pieces on the grid.
int side(int length, int count, int alignment) {
    const int even = (length + count - 1) / count;
    return std::min(length, (even + alignment - 1) / alignment * alignment);
}

int pieces(int length, int core) { return (length + core - 1) / core; }

// Largest tile that a core of this side can read on one axis.
int with_halo(int core, int length, const TileRequest& request) {
    return std::min(length, core + 2 * (request.halo + 2 * (request.alignment - 1)));
}

std::int64_t bytes_for(Size core, const TileRequest& request) {
    const Size tile{with_halo(core.width, request.picture.width, request),
                    with_halo(core.height, request.picture.height, request)};
    return request.tile_bytes(tile) + request.row_in_bytes * tile.height + request.row_out_bytes * core.height;
}

// Pixels that all tiles read together.
std::int64_t pixels_read(Size core, const TileRequest& request) {
    const auto along = [&](int length, int piece) {
        std::int64_t sum = 0;
        const int count = pieces(length, piece);
        if (count == 1) return std::int64_t{length};
        sum = std::int64_t{length} + std::int64_t{2} * (count - 1) * (request.halo + (request.alignment - 1) / 2);
        return sum;
    };
    return along(request.picture.width, core.width) * along(request.picture.height, core.height);
}

}  // namespace

Result<TilePlan> plan_tiles(const TileRequest& request) {
    const auto [width, height] = request.picture;
    const int largest = request.max_core > 0 ? std::max(request.max_core / request.alignment, 1) * request.alignment : 0;
    const int first_columns = largest ? pieces(width, std::min(largest, width)) : 1;
    const int first_rows = largest ? pieces(height, std::min(largest, height)) : 1;

    TilePlan best;
    std::int64_t best_cost = -1;
    // Every column count would be tried for nothing: beyond 16 the steps grow with the count.
    for (int columns = first_columns;; columns = columns < 16 ? columns + 1 : columns + columns / 8) {
        const int core_width = side(width, columns, request.alignment);
        // Fewest rows of tiles that fit: memory only shrinks as their height does.
        int low = first_rows, high = std::max(first_rows, pieces(height, request.alignment));
        if (bytes_for({core_width, side(height, high, request.alignment)}, request) <= request.memory_bytes) {
            while (low < high) {
                const int middle = low + (high - low) / 2;
                if (bytes_for({core_width, side(height, middle, request.alignment)}, request) <= request.memory_bytes)
                    high = middle;
                else
                    low = middle + 1;
            }
            const Size core{core_width, side(height, high, request.alignment)};
            const std::int64_t cost = pixels_read(core, request);
            if (best_cost < 0 || cost < best_cost) {
                best_cost = cost;
                best = {core, bytes_for(core, request)};
            }
        }
        if (core_width <= request.alignment) break;
    }
    if (best_cost < 0) {
        const Size smallest{std::min(width, request.alignment), std::min(height, request.alignment)};
        const auto mib = [](std::int64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; };
        return Error{Errc::memory, "a picture " + std::to_string(width) + " pixels wide needs at least " +
                                       mib(bytes_for(smallest, request)) + " of working memory; the limit is " +
                                       mib(request.memory_bytes)};
    }
    return best;
}

}  // namespace enlarge
