// SPDX-License-Identifier: Apache-2.0
#include "plan/chains.hpp"

#include <gtest/gtest.h>

#include "support/networks.hpp"

namespace enlarge {
namespace {

using test::must;

ChainRules rules() {
    ChainRules rules;
    rules.begins = [](const Node&) { return true; };
    rules.activation = [](const Node& n) { return n.is<op::LeakyRelu>() || n.is<op::Gelu>(); };
    rules.goes_on = [](const Node& n) { return !n.is<op::Gelu>(); };
    rules.gate = [](const Node& n) { return n.is<op::SpanGate>(); };
    rules.residual = [](int node) { return node != 0; };
    return rules;
}

struct Net {
    Graph graph;
    int conv(int from) {
        return must(graph.conv2d(from, 4, 1, std::vector<float>(static_cast<std::size_t>(4 * graph.nodes()[static_cast<std::size_t>(from)].channels), 0.1F),
                                 std::vector<float>(4, 0)));
    }
    int add(Operation op, std::vector<int> from) { return must(graph.add(Node(std::move(op), std::move(from)))); }
};

TEST(chains, take_the_activation_and_two_sums) {
    Net net;
    const int in = must(net.graph.input(3)), a = net.conv(in), b = net.conv(a);
    const int act = net.add(op::LeakyRelu{.slope = 0.1F}, {b});
    const int first = net.add(op::Add{.alpha = 2, .beta = 3}, {act, a}), second = net.add(op::Add{.alpha = 5, .beta = 7}, {a, first});
    const int third = net.add(op::Add{}, {second, a});
    const std::vector<Chain> chains = find_chains(net.graph, rules());
    ASSERT_EQ(chains.size(), 2U);
    EXPECT_EQ(chains[0].last, a);  // many read it
    EXPECT_EQ(chains[1].nodes, (std::vector<int>{b, act, first, second}));
    EXPECT_EQ(chains[1].activation, act);
    EXPECT_EQ(chains[1].residuals, (std::vector<int>{a, a}));
    EXPECT_EQ(chains[1].keep, (std::vector<float>{2, 7}));
    EXPECT_EQ(chains[1].mix, (std::vector<float>{3, 5}));
    EXPECT_EQ(third, second + 1);
}

TEST(chains, end_where_a_backend_cannot_go_on) {
    Net net;
    const int in = must(net.graph.input(3)), a = net.conv(in), b = net.conv(a);
    const int act = net.add(op::Gelu{}, {b});
    net.add(op::Add{}, {act, a});
    const std::vector<Chain> chains = find_chains(net.graph, rules());
    EXPECT_EQ(chains[1].last, act);
}

TEST(chains, leave_a_sum_of_two_convolutions_to_the_first) {
    Net net;
    const int in = must(net.graph.input(3)), a = net.conv(in), b = net.conv(in);
    const int sum = net.add(op::Add{}, {a, b});
    const std::vector<Chain> chains = find_chains(net.graph, rules());
    EXPECT_EQ(chains[0].last, sum);
    EXPECT_EQ(chains[0].residuals, std::vector<int>{b});
    EXPECT_EQ(chains[1].last, b);
}

TEST(chains, do_not_add_what_has_another_shape) {
    Net net;
    const int in = must(net.graph.input(3)), a = net.conv(in);
    const int mean = net.add(op::GlobalMean{}, {a}), b = net.conv(a);
    const int sum = net.add(op::Add{}, {b, mean});
    for (const Chain& chain : find_chains(net.graph, rules())) EXPECT_NE(chain.last, sum);
}

}  // namespace
}  // namespace enlarge
