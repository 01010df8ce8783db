// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "graph/operations.hpp"

namespace enlarge::reference {

// One axis of a resize: the input pixels that pixel i of the result is a sum of; those beyond the edge are the edge's.
struct ResizeTaps {
    std::int64_t first = 0;
    int count = 1;
    double weight[4] = {1, 0, 0, 0};
};

ResizeTaps taps_at(const op::Resize& op, std::int64_t i, std::int64_t in, std::int64_t out);

// Where along one axis of `size` pixels a sample for pixel `result` of `of` lies; NaN where `at` is.
double sample_place(const op::GridSample& op, float at, std::int64_t size, std::int64_t result, std::int64_t of);

}  // namespace enlarge::reference
