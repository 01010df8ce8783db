// SPDX-License-Identifier: Apache-2.0
// Every kernel.
#pragma once

#include "ceiling.cuh"
#include "conv_first.cuh"
#include "conv_float.cuh"
#include "conv_hopper.cuh"
#include "conv_last.cuh"
#include "conv_rows.cuh"
#include "conv_s8.cuh"
#include "conv_stream.cuh"
#include "plain.cuh"
#include "tensor_attention.cuh"
#include "tensor_parts.cuh"
#include "tensor_pixels.cuh"
