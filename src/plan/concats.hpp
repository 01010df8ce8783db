// SPDX-License-Identifier: Apache-2.0
// Concatenations that are no work: what they join is written side by side from the start.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.hpp"

namespace enlarge {

// What a concatenation joins, with the parts of those that it joins in their place.
std::vector<int> parts_of_concat(const Graph& graph, int concat);

// What a backend can do with the channels of a buffer.
struct ConcatRules {
    int block = 1;      // a tensor begins at a multiple of so many channels
    bool gaps = false;  // whether a part's last block may have room left; else only the last part's
    bool some = false;  // whether parts may be elsewhere, to be copied; else all lie side by side or none
    std::function<bool(int concat)> needed = {};  // whether it is to be in memory; all where empty
    std::function<bool(int part)> placed = {};    // whether it may be written where it is told; all where empty
};

struct ConcatPlaces {
    struct Place {
        int buffer = -1;  // index into `buffers`; none
        int block = 0;    // the first
    };
    struct Buffer {
        int blocks = 0;
        int concat = 0;  // the node whose parts it holds
    };
    std::vector<Place> of;  // by node, of concatenations and their parts
    std::vector<Buffer> buffers;
};

// A node has one place at most. The concatenations of most parts come first: shorter ones are then often a run of the
// parts of a longer one, and need no buffer.
ConcatPlaces place_concats(const Graph& graph, const ConcatRules& rules);

}  // namespace enlarge
