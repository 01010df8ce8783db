// SPDX-License-Identifier: Apache-2.0
// What to send with a report of something that went wrong.
#pragma once

#include <string>

namespace enlarge {

// devices() (device.hpp) with all that drivers say about themselves, as one text of lines.
std::string devices_report();

}  // namespace enlarge
