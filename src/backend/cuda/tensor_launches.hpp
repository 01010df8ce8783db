// SPDX-License-Identifier: Apache-2.0
// From the calls of plain kernels that every device makes (backend/tensors) to this one's launches: which kernel, and
// how its work is cut.
#pragma once

#include <vector>

#include "backend/cuda/session.hpp"
#include "backend/tensors/lower.hpp"

namespace enlarge::cuda {

// Memory that the launches of a call share while they run, beside the network's own; in bytes.
std::uint64_t scratch_bytes(const tensors::Call& call);
Result<void> add_launches(const Device& device, const tensors::Call& call, CuAddress scratch,
                          std::vector<Launch>& launches);

}  // namespace enlarge::cuda
