// SPDX-License-Identifier: Apache-2.0
// Every frame that an input gives, as a whole decode of it saw them: its time, and a sum of its pixels. Who decodes the
// input again, or a part of it, knows from this list which frame is which and whether it is the same one.
//
//                    0 5f0c2a11
//                  512 93be0471
//
// A line for each frame, all of one length, so that a part of the list can be read without the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "media/frame.hpp"
#include "video/job_plan.hpp"

namespace enlarge::video {

struct FrameMark {
    std::int64_t time = 0;   // when it is shown, in the list's time base
    std::uint32_t sum = 0;   // of its pixels and its duration; 0: not known (frames on a GPU)
    friend bool operator==(const FrameMark&, const FrameMark&) = default;
};
FrameMark mark_of(const media::Frame& frame);

std::string text_of(const std::vector<FrameMark>& marks);
// These frames of the list in a file. Fails with Errc::format when it does not have them.
Result<std::vector<FrameMark>> read_marks(const std::string& path, const FrameRange& range);

// Numbers the frames of a decode that is to give those of `range`, and compares them with the list.
class PlannedFrames {
public:
    // `from_key_frame`: the decode does not begin with frame 0, but with any before the range.
    PlannedFrames(const FrameRange& range, std::vector<FrameMark> marks, bool from_key_frame)
        : range_(range), marks_(std::move(marks)), from_key_frame_(from_key_frame) {}

    // The number of the frame that comes next; nothing when it is not in the range. Fails with Errc::format when it is
    // not the one that the list has there.
    Result<std::optional<std::int64_t>> number_of(const media::Frame& frame);
    [[nodiscard]] bool done() const { return next_ >= range_.end(); }  // the last frame came
    [[nodiscard]] bool differed() const { return differed_; }
    [[nodiscard]] const FrameRange& range() const { return range_; }

private:
    FrameRange range_;
    std::vector<FrameMark> marks_;  // of the range
    bool from_key_frame_, differed_ = false;
    std::int64_t next_ = 0;
};

}  // namespace enlarge::video
