// SPDX-License-Identifier: Apache-2.0
// What the bodies tell the compiler: loops over registers vanish, small functions too, large ones stay apart.
#pragma once

#define ENLARGE_UNROLL _Pragma("GCC unroll 32")
#define ENLARGE_INLINE __attribute__((always_inline))
#define ENLARGE_FORCE_INLINE inline __attribute__((always_inline))
#define ENLARGE_NOINLINE __attribute__((noinline))
