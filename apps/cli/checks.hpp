// SPDX-License-Identifier: Apache-2.0
// Checks of option values, with messages that say what was expected and what was found. Not-a-number is no number.
#pragma once

#include "CLI/CLI.hpp"

namespace cli {

// A number from `low` to `high`, written with a point in every locale.
CLI::Validator number(double low, double high);
// A whole number from `low` to `high`.
CLI::Validator whole(long long low, long long high);

}  // namespace cli
