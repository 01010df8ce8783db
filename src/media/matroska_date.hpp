// SPDX-License-Identifier: Apache-2.0
// The date of a Matroska file (DateUTC). FFmpeg's writer leaves it out when it is asked for the same bytes from the same
// work; with the date it draws random identifiers.
#pragma once

#include <cstdint>

namespace enlarge::media {

// Puts `unix_us` (microseconds since 1970) into the finished file `fd`, which FFmpeg wrote: the segment's information
// grows into the space that is kept free before it. False, and nothing changed, when the file is not built like that.
bool put_matroska_date(int fd, std::int64_t unix_us);

}  // namespace enlarge::media
