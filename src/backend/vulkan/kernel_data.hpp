// SPDX-License-Identifier: Apache-2.0
// All kernels; the list is written by CMake beside the SPIR-V.
#pragma once

#include <span>

#include "backend/vulkan/kernels.hpp"

namespace enlarge::vulkan {

std::span<const Kernel> kernel_data();

}  // namespace enlarge::vulkan
