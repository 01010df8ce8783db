// SPDX-License-Identifier: Apache-2.0
// The process that decodes, enlarges and encodes. It holds nothing of the server's, so whatever a hostile file makes of
// it costs that job alone.
#pragma once

#include <string>

namespace serve {

// Takes work from the socket `fd` (messages.hpp) until the other side closes it; returns the exit code. The process
// dies with its parent. `threads` of processor devices, 0: all usable cores.
int run_worker(int fd, const std::string& device, int threads);

}  // namespace serve
