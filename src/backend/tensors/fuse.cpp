// SPDX-License-Identifier: Apache-2.0
#include "backend/tensors/fuse.hpp"

#include <numeric>
#include <utility>

#include "base/at.hpp"
#include "plan/picture_end.hpp"

namespace enlarge::tensors {
namespace {

bool is_activation(const Node& node) {
    return node.is<op::Prelu>() || node.is<op::LeakyRelu>() || node.is<op::Silu>() || node.is<op::Gelu>() ||
           node.is<op::Mish>() || node.is<op::Sigmoid>() || node.is<op::HardSwish>() || node.is<op::Tanh>() ||
           node.is<op::Clamp>();
}

bool is_picture(const Node& node) { return node.shape.size() == 3; }

ChainRules rules(const Graph& graph) {
    ChainRules rules;
    rules.begins = [](const Node& node) { return is_picture(node); };
    rules.activation = is_activation;
    rules.gate = [](const Node& node) { return node.is<op::SpanGate>(); };
    rules.residual = [&graph](int node) { return is_picture(at(graph.nodes(), node)); };
    return rules;
}

}  // namespace

Fusion fuse(const Graph& graph) {
    const std::vector<Node>& nodes = graph.nodes();
    const auto users = users_of(graph);
    const PictureEnd last = find_end(graph, users);
    Fusion fusion;
    fusion.turn.resize(nodes.size());
    std::iota(fusion.turn.begin(), fusion.turn.end(), 0);
    for (Chain& chain : find_chains(graph, rules(graph))) {
        ConvEnd end;
        end.chain = std::move(chain);
        Chain& of = end.chain;
        const std::vector<int>& next = at(users, of.last);
        if (of.last == last.source && last.adds_input && next.size() == 1) {
            end.shuffle = last.shuffle;
            end.adds_input = true;
            of.nodes.insert(of.nodes.end(), last.nodes.begin(), last.nodes.end());
            of.last = static_cast<int>(nodes.size()) - 1;
            if (last.repeated >= 0) at(fusion.turn, last.repeated) = -1;
        } else if (next.size() == 1 && at(nodes, next[0]).is<op::PixelShuffle>()) {
            of.last = next[0];
            end.shuffle = at(nodes, of.last).as<op::PixelShuffle>()->factor;
            of.nodes.push_back(of.last);
        }
        for (const int node : of.nodes) at(fusion.turn, node) = of.last;
        fusion.ends.emplace(of.last, std::move(end));
    }
    return fusion;
}

}  // namespace enlarge::tensors
