// SPDX-License-Identifier: Apache-2.0
#include "plan/picture_end.hpp"

#include "base/at.hpp"

namespace enlarge {

PictureEnd find_end(const Graph& graph, const std::vector<std::vector<int>>& users) {
    const std::vector<Node>& nodes = graph.nodes();
    const int out = static_cast<int>(nodes.size()) - 1;
    PictureEnd end{.source = out};
    const auto take_shuffle = [&](int i) {
        end.source = i;
        const auto* shuffle = at(nodes, i).as<op::PixelShuffle>();
        if (!shuffle) return;
        end.nodes.push_back(i);
        end.shuffle = shuffle->factor;
        end.source = at(nodes, i).inputs[0];
    };
    const Node& last = nodes.back();
    const auto* sum = last.as<op::Add>();
    if (!sum) {
        take_shuffle(out);
        return end;
    }
    if (sum->alpha != 1 || sum->beta != 1 || last.channels != graph.input_channels()) return end;
    for (std::size_t k = 0; k < 2; ++k) {
        const int branch = last.inputs[k], base = last.inputs[1 - k];
        const auto* shuffle = at(nodes, branch).as<op::PixelShuffle>();
        if (branch == 0 || (shuffle && at(users, branch).size() != 1)) continue;
        const auto* up = at(nodes, base).as<op::UpsampleNearest>();
        const bool repeats = up && at(nodes, base).inputs[0] == 0 && up->factor == (shuffle ? shuffle->factor : 1);
        if (!repeats && !(base == 0 && !shuffle)) continue;
        end.nodes.push_back(out);
        end.adds_input = true;
        if (repeats && at(users, base).size() == 1) end.repeated = base;
        take_shuffle(branch);
        return end;
    }
    return end;
}

}  // namespace enlarge
