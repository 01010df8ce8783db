// SPDX-License-Identifier: Apache-2.0
// Our kernels as nvcc compiled them, part of this binary.
#pragma once

#include <vector>

namespace enlarge::cuda {

// Fat binaries for cuModuleLoadData; empty in a build without nvcc. One that has no code for a GPU (Hopper's kernels on
// others) is left out there.
std::vector<const void*> kernel_images();
// The toolkit that made them: 13000 is CUDA 13.0. 0 without one.
int kernel_toolkit_version();
// "75 80 86 89 90a 100 120"
const char* kernel_architectures();

}  // namespace enlarge::cuda
