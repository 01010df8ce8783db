// SPDX-License-Identifier: Apache-2.0
// The plan of a job: what is read, what must be the same for everybody who works on it, and who makes which frames. A
// file of text that can be written, read and checked; unfinished work carries it too (journal.hpp).
//
//     enlarge plan 1
//     input film.mkv
//     output film-x4.mkv
//     frames 1000
//     segment-frames 120
//     fact the encoder<tab>libx264 (crf 17, preset medium), 1280x720 4:2:0 8 bit
//     part 0 480
//     part 480 520
//     end 3735928559
//
// One thing a line; "\n" and "\\" in texts stand for a line's end and for themselves; the last line is the CRC-32 of
// all before it. Readers refuse a version, or a line, that they do not know.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "media/fingerprint.hpp"

namespace enlarge::video {

// Frames first ... first + count - 1 of the output, as the network makes them, from 0.
struct FrameRange {
    std::int64_t first = 0, count = 0;
    [[nodiscard]] std::int64_t end() const { return first + count; }
    [[nodiscard]] bool contains(std::int64_t frame) const { return frame >= first && frame < end(); }
    friend bool operator==(const FrameRange&, const FrameRange&) = default;
};

struct JobPlan {
    std::string input, output;               // names, for people
    std::int64_t frames = 0;                 // of the output; 0 when not known
    std::int64_t segment_frames = 120;       // a segment begins at every multiple of this
    media::JobFingerprint fingerprint;       // everything that changes a byte of the encoded video
    std::vector<FrameRange> parts;           // in order; none: nobody has divided the work yet
    friend bool operator==(const JobPlan&, const JobPlan&) = default;
};

// Divides plan.frames into at most `count` parts of whole segments, as equal as that allows. Fails with Errc::argument
// when the number of frames is not known or `count` is not at least 1.
Result<void> divide(JobPlan& plan, int count);

// Whether the parts make every frame once, each a whole number of segments but for the last. Errc::format says what is
// wrong.
Result<void> check(const JobPlan& plan);

// The text, and back. parse() also does check().
std::string text_of(const JobPlan& plan);
Result<JobPlan> parse_plan(const std::string& text);

// The same as a file, which is there whole or not at all. Messages begin with the path.
Result<void> write_plan(const std::string& path, const JobPlan& plan);
Result<JobPlan> read_plan(const std::string& path);

// The lines without the first and the last, for a file that has more to say; and one of them read into `plan`. False:
// it is none of a plan's.
std::string lines_of(const JobPlan& plan);
Result<bool> read_line(const std::string& line, JobPlan& plan);

// `body` with its checksum as the last line; and the inverse, which fails with Errc::format when the sum is not right.
std::string sealed(const std::string& body);
Result<std::string> unsealed(const std::string& text);

}  // namespace enlarge::video
