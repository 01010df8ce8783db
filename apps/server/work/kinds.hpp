// SPDX-License-Identifier: Apache-2.0
// What an upload is, by its first bytes: before a decoder sees it. What may name other files or addresses is refused,
// and so is everything that is not known by sight.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "enlarge/result.hpp"

namespace serve {

struct Kind {
    bool moving = false;     // video for certain; of pictures the decoder finds out whether they are animations
    std::string demuxer;     // FFmpeg's name, which is forced: no other reader is tried. Empty for pictures
    std::string extension;   // "jpg", "mkv"
    std::string media_type;  // "image/jpeg"
};

// How many bytes from the beginning kind_of() wants, where there are so many.
inline constexpr std::size_t kHeadBytes = 4096;

// Fails with Errc::unsupported; the sentence says what was found.
enlarge::Result<Kind> kind_of(std::span<const std::byte> head);
enlarge::Result<Kind> kind_of_file(const std::string& path);

// "image/png" for "png"; "application/octet-stream" for what is not known.
const char* media_type_of(const std::string& extension);

}  // namespace serve
