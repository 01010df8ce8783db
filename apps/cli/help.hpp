// SPDX-License-Identifier: Apache-2.0
// Help texts, and what man pages and completions are made from.
#pragma once

#include <string>

#include "command.hpp"

namespace cli {

// Adds options, --help, description and examples of `command` to `app`.
Action define(const Command& command, CLI::App& app);

// The manual page in roff, of the program and all its commands.
std::string man_page();

// A completion script for "bash", "zsh" or "fish".
enlarge::Result<std::string> completion_script(const std::string& shell);

}  // namespace cli
