// SPDX-License-Identifier: Apache-2.0
// What a target tells the replay (replay_main.cpp): whether the last input was read, not only survived. A target that
// refuses all its seeds tests nothing but the first line of a reader. And how it ends where a promise is broken.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace enlarge::fuzz {

inline bool accepted = false;  // set by the target; cleared before each input

inline void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
}

}  // namespace enlarge::fuzz
