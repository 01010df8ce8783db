// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/image.hpp"

#ifdef ENLARGE_CUDA_KERNELS
extern "C" const unsigned char enlarge_cuda_image[];
#endif

namespace enlarge::cuda {

#ifdef ENLARGE_CUDA_KERNELS
const void* kernel_image() { return enlarge_cuda_image; }
int kernel_toolkit_version() { return ENLARGE_CUDA_TOOLKIT; }
const char* kernel_architectures() { return ENLARGE_CUDA_ARCHITECTURES; }
#else
const void* kernel_image() { return nullptr; }
int kernel_toolkit_version() { return 0; }
const char* kernel_architectures() { return ""; }
#endif

}  // namespace enlarge::cuda
