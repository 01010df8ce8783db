// SPDX-License-Identifier: Apache-2.0
#include "support/source_folder.hpp"

namespace enlarge::test {

std::string source_folder() { return ENLARGE_SOURCE_DIR; }

}  // namespace enlarge::test
