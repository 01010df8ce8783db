// SPDX-License-Identifier: Apache-2.0
// The whole program's table of kernels, in place of dispatch.cpp: on AVX2, what avx512_vnni would run, emulated.
#include "kernels/emulated/avx512.hpp"

#define fill_avx512_vnni fill_emulated
#include "kernels/isa/avx512_vnni.cpp"
#undef fill_avx512_vnni

#include "kernels/emulated/tables.inl.hpp"
