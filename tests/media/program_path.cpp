// SPDX-License-Identifier: Apache-2.0
#include <string>

namespace enlarge::test {

std::string program_path() { return ENLARGE_PROGRAM; }

}  // namespace enlarge::test
