// SPDX-License-Identifier: Apache-2.0
// What FFmpeg's readers and writers of animations keep to themselves. For .cpp files of this module only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

struct AVPacket;

namespace enlarge::media {

// How often the animation in a GIF or PNG file is to be played; 0 = for ever. Nothing for other files, and for damaged
// ones. (A GIF says how often it is *repeated*; without a word of that it plays once.)
std::optional<int> plays_of(const std::string& path);

// Makes the last frame of a whole animated WebP file stay so long that all frames together last `total_ms`: its encoder
// does not tell libwebp, which then takes the average.
void set_webp_length(AVPacket& file, std::int64_t total_ms);

}  // namespace enlarge::media
