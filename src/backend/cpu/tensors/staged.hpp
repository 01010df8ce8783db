// SPDX-License-Identifier: Apache-2.0
// How a network that reads the whole picture runs in less memory than all of it takes: stage by stage (plan/stages.hpp).
#pragma once

#include <vector>

#include "backend/cpu/tensors/network.hpp"

namespace enlarge::cpu::tensors {

struct StagedPlan {
    std::vector<Stage> stages;
    std::vector<Size> cores;      // of the tiles of each stage
    std::vector<Layout> whole;    // by node, of what is kept whole, with its place; of others `sides` is empty
    std::int64_t whole_floats = 0;
    std::int64_t zero_row_floats = 0;  // the longest row
    std::int64_t bytes = 0;       // all that is taken
    double work = 1;              // multiplications, relative to the whole picture in one go; halos not counted
};

// For `memory` bytes, what computes the fewest results twice; where nothing fits, what takes least. Fails with
// Errc::argument when the picture is too small for the network. `network` has stages.
Result<StagedPlan> plan_stages(const PreparedNetwork& network, Size picture, std::int64_t memory, int lanes, const ThreadPool* pool);

}  // namespace enlarge::cpu::tensors
