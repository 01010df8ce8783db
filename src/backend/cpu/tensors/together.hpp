// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/cpu/tensors/network.hpp"

namespace enlarge::cpu::tensors {

// Fills PreparedNetwork::end and within: runs of steps whose results' pixels depend on the pixels at the same place
// alone.
void find_what_goes_together(PreparedNetwork& network);

}  // namespace enlarge::cpu::tensors
