// SPDX-License-Identifier: Apache-2.0
// Small files that hold what was found out on this computer, believed only when nobody else can have written them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace enlarge {

// The whole of a plain file that is this user's and that nobody else can write; a link at the end of the path is not
// followed. Nothing otherwise, or when it is larger than `most_bytes`. A file that others can write is warned of.
std::optional<std::string> read_own_file(const std::filesystem::path& file, std::size_t most_bytes);

// Creates the folder too, for this user alone. Whole or not at all; false when it could not be written.
bool write_own_file(const std::filesystem::path& file, const std::string& bytes);

}  // namespace enlarge
