// SPDX-License-Identifier: Apache-2.0
// Whether a file is all there. For .cpp files of this module only.
#pragma once

#include <cstdint>
#include <string>

#include "media/ffmpeg.hpp"

namespace enlarge::media {

// Whether the file's own structure promises more bytes than it has: a box, segment, chunk or packet that ends beyond
// the end, an animation without its end mark. False where a format makes no such promise, or the file cannot be read.
// `context`: where FFmpeg has read it to its end. `first_byte`: where the first packet was found, of MPEG-TS.
bool promises_more(const std::string& path, AVFormatContext& context, std::int64_t first_byte);

// Whether samples that an index (MP4's) names lie beyond `bytes`.
bool index_exceeds(AVFormatContext& context, std::int64_t bytes);

}  // namespace enlarge::media
