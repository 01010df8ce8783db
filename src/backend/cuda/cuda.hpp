// SPDX-License-Identifier: Apache-2.0
// NVIDIA GPUs from Turing on. Needs no CUDA at run time but the driver, which is loaded when first asked for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"

namespace enlarge {

// "cuda". probe() says why there is none where there is none.
const Backend& cuda_backend();

namespace cuda {

struct BackendOptions {
    std::string library = "libcuda.so.1";  // the driver
    std::vector<const void*> images;       // kernels; empty: none were built in
    int calibration_side = 32;             // of the picture on which precisions are compared; 0: trust fp16
    int scene_side = 96;                   // of the pictures from which steps of 8 bits are taken
};

// A backend on another driver, for tests.
std::unique_ptr<Backend> make_backend(const BackendOptions& options);

}  // namespace cuda
}  // namespace enlarge
