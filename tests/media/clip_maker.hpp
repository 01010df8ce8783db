// SPDX-License-Identifier: Apache-2.0
// Makes clips for tests, and looks into clips that were made: with FFmpeg's libraries directly, not with ours.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace enlarge::test {

struct ClipSpec {
    int width = 96, height = 64, frames = 48;
    std::string codec = "libx264", pixel_format = "yuv420p";
    std::vector<std::pair<std::string, std::string>> codec_options{{"preset", "ultrafast"}, {"crf", "20"}};
    int time_base_den = 12800, frame_step = 512;  // 25 frames a second
    bool variable_rate = false;    // steps between half and twice as long
    std::int64_t start = 0;        // of the first frame
    bool sound = true, subtitles = false, chapters = false, font = false, tags = false;
    int rotation = 0;              // of the display matrix, degrees
    int sar_num = 0, sar_den = 1;
    int primaries = 2, transfer = 2, matrix = 2, range = 0;
    bool interlaced = false;
    int dolby_vision = -1;         // the profile its MP4 container claims
    int still_from = -1;           // from this frame on nothing moves
    bool small_motion = false;     // only a small square moves
    int colourless_from = -1;      // from this frame on all is grey, but for single steps of chroma
    bool captions = false;         // closed captions (A53) with every frame
};
// The container follows from the path. Aborts the test program on failure.
void make_clip(const std::string& path, const ClipSpec& spec);

struct SeenStream {
    std::string type, codec, language, title;
    std::int64_t packets = 0;
    std::uint64_t hash = 0;        // of all packet payloads
    double first_s = 0;
    bool operator==(const SeenStream&) const = default;
};
struct SeenPacket {
    std::int64_t pts, dts, duration;
    int flags;
    std::uint64_t hash;
    bool operator==(const SeenPacket&) const = default;
};
struct SeenClip {
    std::vector<SeenStream> streams;     // video first
    std::vector<SeenPacket> packets;     // of the video
    std::vector<double> times;           // of decoded frames, seconds
    std::vector<double> sound_times;     // of packets of the first other stream
    std::vector<std::string> captions;   // of decoded frames that have some
    std::vector<std::vector<std::uint8_t>> pixels;  // of decoded frames: all planes, 8-bit or little-endian 16-bit
    int width = 0, height = 0, bits = 8;
    std::string pixel_format;
    int primaries = 2, transfer = 2, matrix = 2, range = 0, rotation = 0, sar_num = 0, sar_den = 1;
    std::vector<std::pair<double, std::string>> chapters;
    std::vector<std::pair<std::string, std::string>> tags;
    bool mastering_display = false, light_level = false;
};
// Reads and decodes all of a clip. Empty streams when it cannot be read.
SeenClip look_at(const std::string& path);

// The mean difference of samples of two clips with the same format, in steps of their bit depth; huge if they differ in shape.
double mean_difference(const SeenClip& a, const SeenClip& b);

}  // namespace enlarge::test
