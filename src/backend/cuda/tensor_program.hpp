// SPDX-License-Identifier: Apache-2.0
// Networks that are no chains of convolutions: node by node over whole tensors, in fp32, with one plain kernel for each
// kind of operation.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/program.hpp"

namespace enlarge::cuda {

// `info` is completed with what tiles need.
Result<std::unique_ptr<Program>> make_tensor_program(const Graph& graph, std::vector<DeviceOpener> devices,
                                                     ProgramInfo info);

}  // namespace enlarge::cuda
