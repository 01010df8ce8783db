// SPDX-License-Identifier: Apache-2.0
// From the nodes of a graph to calls of plain kernels over whole tensors, one list for all GPU backends. What a kernel
// computes is said by its parameters (params.hpp); a backend has the kernels and runs the calls in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "backend/tensors/fuse.hpp"
#include "base/result.hpp"
#include "graph/graph.hpp"

namespace enlarge::tensors {

// Of memory that backends give: a number to which bytes are added, and 0 for nothing.
using Address = std::uint64_t;

// The numbers of a network one after another, as they are copied to the GPU.
struct Constants {
    std::vector<float> values;
    std::map<const float*, std::uint64_t> places;  // where each Values begins, in bytes

    void add(const Graph& graph);
    // The address of `values` in a block of these; 0 for none.
    [[nodiscard]] Address address(Address base, const Values& numbers) const;
};

// Where the tensors of one picture size lie, in bytes from the beginning of a session's block.
struct Plan {
    std::vector<std::vector<std::int64_t>> sides;  // of each node
    std::vector<std::uint64_t> place, scratch;     // of each node's result, and of what it needs meanwhile
    std::uint64_t bytes = 0;
    std::int64_t largest = 0;  // numbers of the largest tensor or scratch
};
// Fails with Errc::argument when the picture is too small for the network, Errc::memory when no GPU could hold it.
// `fusion`: nodes that have no turn of their own have no place either.
Result<Plan> plan_tensors(const Graph& graph, Size picture, const Fusion& fusion = {});

// One call of a kernel: `items` results or lines or groups of them that may be computed in any order, each in about
// `work` steps. "tensor_groups" computes an item with a whole block of threads, every other kernel with one thread.
struct Call {
    const char* kernel = nullptr;
    std::int64_t items = 0, work = 1;
    std::array<std::byte, 640> parameters{};  // the struct of params.hpp that the kernel takes
};

// The calls of all nodes, in order. With a fusion, the one of the plan, convolutions have the parameters of FusedConv.
std::vector<Call> calls_of(const Graph& graph, const Plan& plan, const Constants& constants, Address weights,
                           Address memory, Size continued, const Fusion& fusion = {});

}  // namespace enlarge::tensors
