// SPDX-License-Identifier: Apache-2.0
// Steps of 8-bit activations, from what a network's layers see of pictures made for the purpose.
#pragma once

#include <vector>

#include "backend/cuda/lower.hpp"
#include "backend/cuda/program.hpp"
#include "enlarge/image.hpp"

namespace enlarge::cuda {

// A made-up scene: flat and textured shapes with hard and soft edges and outlines on a gradient, some noise. Of what drawn
// and filmed pictures are made of, so that layers see what they will see. The same for the same seed.
Image made_up_scene(Size size, int channels, std::uint32_t seed);

// Steps for the convolutions in `nodes`, from scenes of this size. `half` computes the same network in half precision.
Result<Quantisation> calibrate(const CudaProgram& half, const std::vector<int>& nodes, Size size);

}  // namespace enlarge::cuda
