// SPDX-License-Identifier: Apache-2.0
// What must be the same for two pieces of work to belong together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace enlarge::media {

// Facts, each with a name for people: {"the input's size", "93842 bytes"}.
using JobFingerprint = std::vector<std::pair<std::string, std::string>>;

// Which of `expected` are not, or not so, in `found`: "--crf was 17 and is 30; ..."; empty when none. `found` is the
// earlier one.
std::string differences(const JobFingerprint& found, const JobFingerprint& expected);

// What identifies the bytes of a file: its size and contents (of a large file: samples of them, and its date).
Result<JobFingerprint> file_fingerprint(const std::string& path);
// "avcodec 59.37.100, ...": other libraries may give other packets.
std::string library_versions();

// FNV-1a over more bytes.
inline constexpr std::uint64_t kHashStart = 14695981039346656037u;
std::uint64_t hash(std::uint64_t start, const void* data, std::size_t size);
// Sixteen digits.
std::string hex(std::uint64_t value);

}  // namespace enlarge::media
