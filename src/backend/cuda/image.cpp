// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/image.hpp"

namespace enlarge::cuda {

#ifdef ENLARGE_CUDA_KERNELS
extern const void* const built_images[];  // nvcc.cmake; ends with null

std::vector<const void*> kernel_images() {
    std::vector<const void*> images;
    for (const void* const* image = built_images; *image; ++image) images.push_back(*image);
    return images;
}
int kernel_toolkit_version() { return ENLARGE_CUDA_TOOLKIT; }
const char* kernel_architectures() { return ENLARGE_CUDA_ARCHITECTURES; }
#else
std::vector<const void*> kernel_images() { return {}; }
int kernel_toolkit_version() { return 0; }
const char* kernel_architectures() { return ""; }
#endif

}  // namespace enlarge::cuda
