// SPDX-License-Identifier: Apache-2.0
// The whole program's table of kernels, in place of dispatch.cpp: on AVX2, what avx512 would run, emulated.
#include "kernels/emulated/avx512.hpp"

#define fill_avx512 fill_emulated
#include "kernels/isa/avx512.cpp"
#undef fill_avx512

#include "kernels/emulated/tables.inl.hpp"
