// SPDX-License-Identifier: Apache-2.0
// What a graph is, as a number: for keeping what was found out about it.
#pragma once

#include <cstdint>

#include "graph/graph.hpp"

namespace enlarge {

struct GraphHash {
    std::uint64_t high = 0, low = 0;
    bool operator==(const GraphHash&) const = default;
};

// Of all operations with all of their fields, and how they are connected. The same on every machine of one byte order.
GraphHash hash(const Graph& graph);

// Of one operation with all of its fields.
GraphHash hash(const Operation& op);

// Of the numbers alone; 0 for none.
std::uint64_t hash(const Values& values);

}  // namespace enlarge
