// SPDX-License-Identifier: Apache-2.0
// Appends operations to a graph, and puts together what other formats write as several: x * sigmoid(x), a factor before
// a sum, a reshape around a transposition that is a pixel shuffle. What is then not needed is left for pruned().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"

namespace enlarge {

class GraphMaker {
public:
    using Numbers = std::vector<double>;  // one, or one per channel

    // The only size of picture that the graph is for: reshapes need fit for that alone.
    std::optional<Size> own;
    // Whether two shapes are equal, for all pictures that the graph is for.
    [[nodiscard]] bool same(const Shape& a, const Shape& b) const;

    [[nodiscard]] const Graph& graph() const { return graph_; }
    [[nodiscard]] const Node& node(int i) const { return graph_.nodes()[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const Shape& shape(int i) const { return node(i).shape; }

    // The operation as it is. The other calls give the same result, perhaps by another operation or an earlier node.
    Result<int> put(Operation op, std::vector<int> from);

    Result<int> constant(std::vector<int> sides, Values values);
    // x * factor + shift, with one number or one per channel; empty: 1 and 0.
    Result<int> scale_shift(int x, const Numbers& factor, const Numbers& shift);
    Result<int> add(int a, int b, double alpha = 1, double beta = 1);
    Result<int> multiply(int a, int b);
    // Nothing where it is no normalisation: there is no operation that divides.
    Result<std::optional<int>> divide(int a, int b);
    // x * (1 + erf(y)), where that is a GELU of x.
    Result<std::optional<int>> gelu(int x, int y, double factor);
    Result<int> concat(std::vector<int> parts, int axis);
    Result<int> reshape(int x, Shape sides);
    Result<int> transpose(int x, std::vector<int> order);
    // Begin and end as in op::Slice.
    Result<int> slice(int x, int axis, int begin, int end, int step);
    Result<int> pad(int x, op::Pad what);
    // All of it so many times along an axis, one behind the other.
    Result<int> repeat(int x, int axis, int times);
    Result<int> matmul(int a, int b);
    // Weights (out, in); bias may be empty.
    Result<int> linear(int x, Values weights, Values bias);
    // The sum or the mean along axes, whose sides become 1.
    Result<int> reduce(int x, std::vector<int> axes, bool mean);

    // Accounts for numbers that the file does not hold one by one: a small file cannot ask for much.
    Result<void> expand(std::int64_t numbers);

private:
    // The same, or one of the last nodes where that is the same: means are often computed twice.
    Result<int> put_once(Operation op, std::vector<int> from);
    // node = factor * of + shift, the same for all numbers.
    struct Line {
        int of;
        double factor = 1, shift = 0;
    };
    [[nodiscard]] Line line(int x, int depth = 0) const;
    // Coefficients of node as a polynomial in x, up to the third degree; nothing when it is none.
    [[nodiscard]] std::optional<Numbers> polynomial(int node, int x, int depth = 0) const;
    // The node that it is a mean (or sum) of along one axis, -1 for all pixels.
    struct Reduction {
        int of, axis;
        bool mean;
    };
    [[nodiscard]] std::optional<Reduction> reduction(int x) const;
    Result<std::optional<int>> gated(int a, int b);
    Result<std::optional<int>> as_shuffle(int x, const Shape& sides);
    Result<std::optional<int>> as_group_norm(int x, const Shape& sides);
    Result<int> as_shaped(int x, Shape sides);
    Result<std::optional<int>> as_roll(const std::vector<int>& parts, int axis);
    Result<int> per_channel(int x, Numbers factor, Numbers shift);
    Result<std::optional<int>> after_norm(int x, const Numbers& factor, const Numbers& shift);
    Result<int> repeated(int x, double factor, double shift);
    [[nodiscard]] bool has_channels(int x) const;
    [[nodiscard]] std::size_t axis_from_front(int x, int axis) const;

    Graph graph_;
    std::int64_t expanded_ = 0;
};

}  // namespace enlarge
