// SPDX-License-Identifier: Apache-2.0
// What the bodies tell the compiler: loops over registers vanish, small functions too, large ones stay apart.
#pragma once

#define UNROLL _Pragma("GCC unroll 32")
#define INLINE __attribute__((always_inline))
#define UNROLL_HINT inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
