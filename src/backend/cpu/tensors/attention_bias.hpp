// SPDX-License-Identifier: Apache-2.0
// Biases of attention from the graph's form to the kernels'.
#pragma once

#include "backend/cpu/tensors/network.hpp"

namespace enlarge::cpu::tensors {

// Queries or keys of a window, row by row.
struct Places {
    int height, width;
    [[nodiscard]] int count() const { return height * width; }
};

// `bias`: none, (heads, queries, keys), or by offset (heads, 2h - 1, 2w - 1) where queries and keys are at the same
// places.
AttentionBias attention_bias(const Values& bias, int heads, Places queries, Places keys, int strip);

}  // namespace enlarge::cpu::tensors
