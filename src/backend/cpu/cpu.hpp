// SPDX-License-Identifier: Apache-2.0
// The CPU backend: Winograd convolutions over rows of channel-last pixels, depth first, all threads together.
#pragma once

#include "backend/backend.hpp"

namespace enlarge {

const Backend& cpu_backend();

}  // namespace enlarge
