// SPDX-License-Identifier: Apache-2.0
// Where the repository lies. A function, so that only source_folder.cpp is compiled anew in another checkout.
#pragma once

#include <string>

namespace enlarge::test {

// Without a '/' at its end.
std::string source_folder();

}  // namespace enlarge::test
