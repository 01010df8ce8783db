// SPDX-License-Identifier: Apache-2.0
// Networks that are no chains of convolutions: node by node over whole tensors, in fp32, with one plain kernel for each
// kind of operation.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/program.hpp"
#include "backend/cuda/session.hpp"

namespace enlarge::cuda {

// The numbers of a network one after another, as they are copied to the GPU.
struct TensorConstants {
    std::vector<float> values;
    std::map<const float*, std::uint64_t> places;  // where each Values begins, in bytes

    void add(const Graph& graph);
    // The address of `values` in a block of these; 0 for none.
    [[nodiscard]] CuAddress address(CuAddress base, const Values& numbers) const;
};

// Where the tensors of one picture size lie, in bytes from the beginning of a session's block.
struct TensorPlan {
    std::vector<std::vector<std::int64_t>> sides;  // of each node
    std::vector<std::uint64_t> place, scratch;     // of each node's result, and of what it needs meanwhile
    std::uint64_t bytes = 0;
};
// Fails with Errc::argument when the picture is too small for the network, Errc::limit when no GPU could hold it.
Result<TensorPlan> plan_tensors(const Graph& graph, Size picture);

// The launches of all nodes, in order.
Result<std::vector<Launch>> tensor_launches(const Device& device, const Graph& graph, const TensorPlan& plan,
                                            const TensorConstants& constants, CuAddress weights, CuAddress memory,
                                            Size continued);

// `info` is completed with what tiles need.
Result<std::unique_ptr<Program>> make_tensor_program(const Graph& graph, std::vector<DeviceOpener> devices,
                                                     ProgramInfo info);

}  // namespace enlarge::cuda
