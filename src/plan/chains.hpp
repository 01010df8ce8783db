// SPDX-License-Identifier: Apache-2.0
// What a backend computes as one step with the convolution before it: an activation or a gate, and sums with what has
// been computed elsewhere.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.hpp"

namespace enlarge {

// One convolution with what follows it: y = conv; the activation, or the gate with `residuals[0]`; then for each
// residual i in turn y = keep[i] * y + mix[i] * residual[i].
struct Chain {
    int conv = -1;
    int last = -1;  // the node whose value it produces
    int activation = -1;
    bool gate = false;
    std::vector<int> residuals;  // nodes
    std::vector<float> keep, mix;
    std::vector<int> nodes;  // from `conv` to `last`
};

// What a backend can do at the end of a convolution.
struct ChainRules {
    std::function<bool(const Node& conv)> begins;             // whether it computes this convolution itself
    std::function<bool(const Node& activation)> activation;
    std::function<bool(const Node& gate)> gate;               // none where empty
    std::function<bool(const Node& activation)> goes_on = {}; // whether sums may follow this activation; all where empty
    std::function<bool(const Node& conv)> sums = {};          // whether sums may follow it; all where empty
    int residuals = 2;                                        // at most
    // Whether the node may be a residual, or the sum's other input.
    std::function<bool(int node)> residual;
    std::function<bool(int node)> stops = {};    // whether nothing is taken after this node
    std::function<bool(int node)> outside = {};  // whether this node is in no chain
};

// For each node those that read it, in ascending order, as often as they do.
std::vector<std::vector<int>> users_of(const Graph& graph);

// In the order of their convolutions. A node is in one chain at most: a sum of two convolutions belongs to the first.
std::vector<Chain> find_chains(const Graph& graph, const ChainRules& rules);

}  // namespace enlarge
