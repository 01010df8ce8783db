// SPDX-License-Identifier: Apache-2.0
// What many networks do last, so that a backend can do it while it writes the picture.
#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace enlarge {

// Depth to space, and the input added, its pixels repeated as often: each where the network ends so.
struct PictureEnd {
    int source = 0;          // the node whose value becomes the picture so
    int shuffle = 1;         // the factor of the pixel shuffle behind it; 1: none
    bool adds_input = false; // input pixels, each shuffle x shuffle times
    int repeated = -1;       // the node that repeats them, for the end alone; or none
    std::vector<int> nodes;  // behind `source`, without `repeated`
};

// `users`: see users_of() in plan/chains.hpp.
PictureEnd find_end(const Graph& graph, const std::vector<std::vector<int>>& users);

}  // namespace enlarge
