// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph.hpp"

namespace enlarge {

// The graph with each transposed convolution as an ordinary one of fewer taps that computes the pixels between two of
// its input as channels, which a pixel shuffle puts in their places and a crop cuts to size: nothing that a backend
// would need a kernel of its own for. Those in groups, dilated ones and those whose strides differ stay.
Graph with_plain_convolutions(const Graph& graph);

}  // namespace enlarge
