// SPDX-License-Identifier: Apache-2.0
// Checks of option values, with messages that say what was expected and what was found. Not-a-number is no number.
#pragma once

#include "CLI/CLI.hpp"

namespace cli {

// A number from `low` to `high`, written with a point in every locale.
CLI::Validator number(double low, double high);
// Anything but nothing; `instead` says what to write.
CLI::Validator not_empty(std::string instead);
// A whole number from `low` to `high`.
CLI::Validator whole(long long low, long long high);

}  // namespace cli
