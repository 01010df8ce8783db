// SPDX-License-Identifier: Apache-2.0
// All kernels of src/backend/cuda, compiled for the emulator.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "emulator.hpp"

namespace enlarge::cuda::emu {

struct Kernel {
    std::string_view name;
    std::size_t parameter_bytes;
    int threads;  // at most, per block
    void (*run)(const void* parameters);
};
std::span<const Kernel> kernels();

// Runs a kernel by name as `launch` says.
Report run_kernel(std::string_view name, const void* parameters, const Launch& launch);

}  // namespace enlarge::cuda::emu
