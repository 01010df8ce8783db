// SPDX-License-Identifier: Apache-2.0
// Our kernels as nvcc compiled them, part of this binary.
#pragma once

namespace enlarge::cuda {

// A fat binary for cuModuleLoadData, or null in a build without nvcc.
const void* kernel_image();
// The toolkit that made it: 13000 is CUDA 13.0. 0 without one.
int kernel_toolkit_version();
// "75 80 86 89 90a 100 120"
const char* kernel_architectures();

}  // namespace enlarge::cuda
