// SPDX-License-Identifier: Apache-2.0
// Every kernel that builds for every architecture.
#pragma once

#include "conv_first.cuh"
#include "conv_last.cuh"
#include "conv_rows.cuh"
#include "conv_stream.cuh"
#include "plain.cuh"
