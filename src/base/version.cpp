// SPDX-License-Identifier: Apache-2.0
#include "base/version.hpp"

namespace enlarge {

const char* version() { return "0.1.0"; }

}  // namespace enlarge
