// SPDX-License-Identifier: Apache-2.0
// Every operation as a plain loop over floats, sums in double precision. The truth for all other backends.
#pragma once

#include <functional>
#include <vector>

#include "backend/reference/tensor.hpp"
#include "graph/graph.hpp"

namespace enlarge::reference {

// Runs one operation that is no input. out.sides are right and its values there; `in` are the inputs in the node's
// order.
void run_op(const Operation& op, const std::vector<const Tensor*>& in, Tensor& out, ThreadPool* pool);

// The same for a node of a graph; `continued` as in TileJob.
void run_node(const Node& node, const std::vector<const Tensor*>& in, Size continued, Tensor& out, ThreadPool* pool);

// Runs a whole graph: `inputs` are its pictures and numbers, of which the first says the picture's size. `progress`,
// when not null, is told how much is done, 0..1, and stops everything by returning false: Errc::cancelled. Fails with
// Errc::argument when a picture is too small for the network. `continued` as in TileJob.
Result<Tensor> evaluate(const Graph& graph, std::vector<Tensor> inputs, ThreadPool* pool,
                        const std::function<bool(double)>* progress = nullptr, Size continued = {0, 0});

}  // namespace enlarge::reference
