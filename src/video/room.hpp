// SPDX-License-Identifier: Apache-2.0
// Whether the disk has room for the output: asked before hours of work, and again when the first frames say how many
// bytes they take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "enlarge/enlarge.hpp"
#include "enlarge/notice.hpp"

namespace enlarge::video {

struct Job;

struct RoomQuestion {
    std::string codec;               // "libx264"
    double raw_bytes_per_frame = 0;  // without compression
    std::int64_t pixels = 0;         // of a frame
    std::int64_t frames = 0;
    double seconds = 0;              // of video
    std::optional<double> crf;
    double bit_rate = 0;             // asked for, in bits a second; 0 = none
    std::int64_t copied_bytes = 0;   // at most, of other streams
};

// What the output may have, in bytes. By quality alone this is a guess that can be wrong by a factor of three either
// way; what is not compressed is known.
struct RoomEstimate {
    double bytes = 0;
    bool known = false;
};
RoomEstimate estimate_output(const RoomQuestion& question);

// What to say about it, with `kept` bytes of the work on disk already and `free_bytes` left. The finished segments and
// the file that is made of them are there at the same time. An error when it cannot fit; scarce when it may not.
Result<Notice> judge_room(const RoomEstimate& estimate, std::int64_t kept, double free_bytes);

bool is_scarce(const Notice& said);

// Asks before work begins, and says what came out.
Result<void> check_room(Job& job);
// Asks again after a segment; warns once.
void watch_room(Job& job);

}  // namespace enlarge::video
