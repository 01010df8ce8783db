// SPDX-License-Identifier: Apache-2.0
#include "base/folders.hpp"

#include <cstdlib>

namespace enlarge {

std::string user_folder(const char* variable, const char* below_home) {
    const char* folder = std::getenv(variable);
    if (folder && *folder == '/') return std::string(folder) + "/enlarge";
    const char* home = std::getenv("HOME");
    return home && *home ? std::string(home) + "/" + below_home + "/enlarge" : "";
}

}  // namespace enlarge
