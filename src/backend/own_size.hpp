// SPDX-License-Identifier: Apache-2.0
// Networks that are for one size of picture alone (Graph::own_size()), as programs for pictures of any size: tiles of
// exactly that size, which overlap; smaller pictures are continued to it by reflection.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.hpp"

namespace enlarge {

// How much of a tile at each inner edge is thrown away: an eighth of its shorter side.
int own_size_overlap(Size own);

// Tiles along one side: where each begins, and which pixels of the picture it gives.
struct OwnSizeTile {
    int begin = 0;
    int first = 0, end = 0;
};
// For a line of `length` pixels cut into tiles of `own`; a line that is shorter is one tile.
std::vector<OwnSizeTile> own_size_tiles(int length, int own, int overlap);

// As Backend::compile(), of any network. Whoever is no backend compiles by this.
Result<std::unique_ptr<Program>> compile(const Backend& backend, const Graph& graph, const CompileOptions& options);

}  // namespace enlarge
