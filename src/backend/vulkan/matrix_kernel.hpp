// SPDX-License-Identifier: Apache-2.0
// SPIR-V of kernels that multiply matrices, as a device wants it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/vulkan/facts.hpp"

namespace enlarge::vulkan {

// Whether a kernel declares matrices that a subgroup holds together (shaders/matrix.glsl).
bool has_matrices(std::span<const std::uint32_t> code);

// Writes the types of matrices as SPIR-V has them, with the sizes of `shape`: glslc before 2023 does not know them and
// leaves numbers where constants and types are to be named.
std::vector<std::uint32_t> with_matrices(std::span<const std::uint32_t> code, const MatrixShape& shape);

}  // namespace enlarge::vulkan
