// SPDX-License-Identifier: Apache-2.0
#include "plan/chains.hpp"

#include <utility>

namespace enlarge {
namespace {

class Finder {
public:
    Finder(const Graph& graph, const ChainRules& rules)
        : nodes_(graph.nodes()), rules_(rules), users_(users_of(graph)), taken_(nodes_.size(), false) {}

    Chain chain(int conv) {
        Chain chain;
        chain.conv = chain.last = conv;
        chain.nodes = {conv};
        bool open = !rules_.sums || rules_.sums(node(conv));
        int user = only_user(chain);
        if (user >= 0 && rules_.activation(node(user))) {
            chain.activation = user;
            open = open && (!rules_.goes_on || rules_.goes_on(node(user)));
            take(chain, user);
        } else if (user >= 0 && rules_.gate && rules_.gate(node(user)) && node(user).inputs[0] == conv &&
                   node(user).inputs[1] != conv && rules_.residual(node(user).inputs[1])) {
            chain.gate = true;
            chain.residuals.push_back(node(user).inputs[1]);
            take(chain, user);
        }
        while (open && !chain.gate && static_cast<int>(chain.residuals.size()) < rules_.residuals && add(chain)) continue;
        for (const int n : chain.nodes) taken_[static_cast<std::size_t>(n)] = true;
        return chain;
    }

private:
    [[nodiscard]] const Node& node(int i) const { return nodes_[static_cast<std::size_t>(i)]; }

    // The only node that reads what the chain makes so far, if it may be part of it.
    [[nodiscard]] int only_user(const Chain& chain) const {
        const std::vector<int>& users = users_[static_cast<std::size_t>(chain.last)];
        if (users.size() != 1 || (rules_.stops && rules_.stops(chain.last))) return -1;
        return taken_[static_cast<std::size_t>(users[0])] || (rules_.outside && rules_.outside(users[0])) ? -1 : users[0];
    }

    static void take(Chain& chain, int user) {
        chain.last = user;
        chain.nodes.push_back(user);
    }

    bool add(Chain& chain) const {
        const int user = only_user(chain);
        const auto* sum = user < 0 ? nullptr : node(user).as<op::Add>();
        if (!sum) return false;
        const int a = node(user).inputs[0], b = node(user).inputs[1];
        const bool first = a == chain.last;
        const int other = first ? b : a;
        if (a == b || !rules_.residual(other) || node(other).shape != node(user).shape ||
            node(chain.last).shape != node(user).shape)
            return false;
        chain.residuals.push_back(other);
        chain.keep.push_back(first ? sum->alpha : sum->beta);
        chain.mix.push_back(first ? sum->beta : sum->alpha);
        take(chain, user);
        return true;
    }

    const std::vector<Node>& nodes_;
    const ChainRules& rules_;
    std::vector<std::vector<int>> users_;
    std::vector<bool> taken_;
};

}  // namespace

std::vector<std::vector<int>> users_of(const Graph& graph) {
    std::vector<std::vector<int>> users(graph.nodes().size());
    for (std::size_t i = 0; i < users.size(); ++i)
        for (const int from : graph.nodes()[i].inputs)
            users[static_cast<std::size_t>(from)].push_back(static_cast<int>(i));
    return users;
}

std::vector<Chain> find_chains(const Graph& graph, const ChainRules& rules) {
    Finder finder(graph, rules);
    std::vector<Chain> chains;
    for (std::size_t i = 0; i < graph.nodes().size(); ++i)
        if (graph.nodes()[i].is<op::Conv2d>() && rules.begins(graph.nodes()[i]))
            chains.push_back(finder.chain(static_cast<int>(i)));
    return chains;
}

}  // namespace enlarge
