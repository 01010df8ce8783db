// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_first.cuh"
#include "kernels/conv_last.cuh"
#include "kernels/conv_rows.cuh"
#include "kernels/conv_s8.cuh"
#include "kernels/conv_stream.cuh"
