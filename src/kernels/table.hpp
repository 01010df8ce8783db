// SPDX-License-Identifier: Apache-2.0
// The kernels: what each does. scalar.cpp is the truth; isa/*.cpp override what an instruction set does better.
#pragma once

#include <cstddef>

#include "base/cpu.hpp"

namespace enlarge {

struct KernelTable {
    // x[i] = x[i] < 0 ? slope * x[i] : x[i]. NaN stays NaN.
    void (*leaky_relu_f32)(float* x, std::size_t n, float slope) = nullptr;
};

// The table for an instruction set: scalar, then everything up to `isa` of its family filled over it.
const KernelTable& kernels(Isa isa);

}  // namespace enlarge
