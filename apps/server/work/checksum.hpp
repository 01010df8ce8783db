// SPDX-License-Identifier: Apache-2.0
// CRC-32 as ZIP archives and PNG have it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace serve {

// Of `bytes`, going on from `before`, the sum of what came first.
std::uint32_t crc32(std::string_view bytes, std::uint32_t before = 0);
// Of a file; nothing where it cannot be read.
std::optional<std::uint32_t> crc32_of_file(const std::string& path);

}  // namespace serve
