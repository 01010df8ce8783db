// SPDX-License-Identifier: Apache-2.0
// Attention between the channels of pixels that lie a window's side apart, which a graph says by making channels of the
// places in a window and pixels of them again.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.hpp"

namespace enlarge {

// The channel attention of a graph with what brings its pixels together: of an input x of 3C channels, for each of the
// side * side places in a window the channels of all pixels there attend to each other. The attention's heads and
// temperatures are those of the first place, then of the next.
struct ChannelGrid {
    int input = -1;  // x
    int attention = -1;
    int last = -1;  // the node that holds the result, as large as x, of C channels
    int side = 0;
    std::vector<int> nodes;  // between input and last, with it
};

// Those of which nothing in between is read by another node.
std::vector<ChannelGrid> find_channel_grids(const Graph& graph);

}  // namespace enlarge
