// SPDX-License-Identifier: Apache-2.0
// How a network that reads the whole picture runs in tiles all the same: stage by stage. Between two stages stand the
// operations that read everything (means, norms, channel attention); what lies between them is computed tile by tile.
//
// The bits do not depend on the tiles: what is read whole was put together from exact tiles, and sums over the picture
// go on from tile to tile in the order of the pixels of each row.
#pragma once

#include <vector>

#include "graph/graph.hpp"
#include "graph/traits.hpp"

namespace enlarge {

// A step of a program: what is computed at once, one node or several.
struct WorkStep {
    int node = 0;             // whose result it makes
    std::vector<int> inputs;  // nodes
    std::vector<Reads> reads; // what a pixel of the result reads of each
    bool sums = false;        // numbers made of its one input pixel by pixel, in order: a mean
    double macs = 0;
};

struct Stage {
    std::vector<int> steps;  // computed for each tile, in order
    std::vector<int> keeps;  // nodes of these whose results are put together
    std::vector<int> sums;   // steps that go on from tile to tile
    std::vector<int> whole;  // steps that run afterwards, on what was put together
    int halo = 0;            // pixels of the graph's input that a tile reads beyond its core
};

class Stages {
public:
    // `alignment`: tiles begin at multiples of it; a multiple of what all windows ask for.
    Stages(const Graph& graph, std::vector<WorkStep> steps, int alignment);

    // In order; the first has no tiles, but what can run before them. `dropped`: by node, whether a result that later
    // stages use is computed again there instead of being kept.
    [[nodiscard]] std::vector<Stage> find(const std::vector<bool>& dropped) const;
    // Nodes whose results are used by later stages, and may be dropped.
    [[nodiscard]] const std::vector<int>& may_be_dropped() const { return crossing_; }
    [[nodiscard]] double macs(const std::vector<Stage>& stages) const;
    // Of all steps, each once.
    [[nodiscard]] double macs() const;

private:
    [[nodiscard]] bool is_local(const WorkStep& step) const;
    void find_levels();
    void find_kept();
    [[nodiscard]] int halo(const std::vector<int>& steps, const std::vector<int>& targets) const;
    [[nodiscard]] int reach(const std::vector<int>& steps, const std::vector<int>& targets, bool rows) const;

    const Graph& graph_;
    std::vector<WorkStep> steps_;
    int alignment_;
    std::vector<bool> depends_;  // by node
    std::vector<bool> local_;    // by node
    std::vector<int> first_;     // by node: the first stage whose tiles can read it
    std::vector<int> after_;     // by node: the stage behind which it is there as a whole; -1: from the start
    std::vector<bool> kept_;     // by node: whether something reads all of it at once
    std::vector<int> crossing_;
};

}  // namespace enlarge
