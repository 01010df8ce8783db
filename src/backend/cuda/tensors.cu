// SPDX-License-Identifier: Apache-2.0
#include "kernels/tensor_attention.cuh"
#include "kernels/tensor_parts.cuh"
#include "kernels/tensor_pixels.cuh"
