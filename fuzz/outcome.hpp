// SPDX-License-Identifier: Apache-2.0
// What a target tells the replay (replay_main.cpp): whether the last input was read, not only survived. A target that
// refuses all its seeds tests nothing but the first line of a reader.
#pragma once

namespace enlarge::fuzz {

inline bool accepted = false;  // set by the target; cleared before each input

}  // namespace enlarge::fuzz
