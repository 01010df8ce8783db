// SPDX-License-Identifier: Apache-2.0
// Where files of this user belong, after the XDG Base Directory rules.
#pragma once

#include <string>

namespace enlarge {

// "$variable/enlarge", else "$HOME/below_home/enlarge"; empty when neither is set. A relative $variable is ignored, as the
// rules want. Nothing is created.
std::string user_folder(const char* variable, const char* below_home);

}  // namespace enlarge
