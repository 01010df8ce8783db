// SPDX-License-Identifier: Apache-2.0
// Which tasks of a job are meant.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/result.hpp"

namespace cli {

// "7", "7-9", or "auto": what a scheduler's variables say, counted from 0. `variable` gives the value of one, empty
// where it is not set.
enlarge::Result<std::vector<std::pair<int, int>>> parse_tasks(const std::string& text,
                                                              const std::function<std::string(const char*)>& variable);

}  // namespace cli
