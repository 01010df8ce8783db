// SPDX-License-Identifier: Apache-2.0
// What a GPU computes with a convolution, without a tensor in between: an activation or a gate, sums with what has been
// computed elsewhere, pixels made of channels, and the picture itself added, enlarged by repeating its pixels.
#pragma once

#include <map>
#include <vector>

#include "graph/graph.hpp"
#include "plan/chains.hpp"

namespace enlarge::tensors {

struct ConvEnd {
    Chain chain;
    int shuffle = 1;         // the factor of the pixel shuffle behind it; 1: none
    bool adds_input = false; // then the picture's pixels, each shuffle x shuffle times
};

struct Fusion {
    // For each node the one at whose turn it is computed; itself, but for nodes of a convolution's end, which has one
    // turn and one result; -1: never. Empty: all by themselves.
    std::vector<int> turn;
    std::map<int, ConvEnd> ends;  // by the node whose result they make

    [[nodiscard]] int turn_of(std::size_t node) const { return turn.empty() ? static_cast<int>(node) : turn[node]; }
};

Fusion fuse(const Graph& graph);

}  // namespace enlarge::tensors
