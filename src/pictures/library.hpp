// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace enlarge::pictures {

// "libvips 8.14.1": another one may write other bytes.
std::string library_version();

}  // namespace enlarge::pictures
