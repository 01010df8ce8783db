// SPDX-License-Identifier: Apache-2.0
// Finished work on disk: closed segments of encoded video and a journal that names them by the frames they hold.
// Whatever happens to the program or the machine, what the journal names is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "media/segment.hpp"
#include "video/job_plan.hpp"

namespace enlarge::video {

class Journal {
public:
    // Opens the folder, or makes it. When it holds work of another fingerprint, or done by a version with another kind
    // of journal, fails with Errc::exists and says what differs; `restart` removes that work. A folder that is a link,
    // or another user's, or holds something else, is refused. Only one process may hold a folder.
    static Result<std::unique_ptr<Journal>> open(const std::string& folder, const JobPlan& plan, bool restart);
    // The journal of a folder as it is now, for reading alone: nothing is locked, compared or changed, and somebody may be
    // working there. Errc::not_found: there is none.
    static Result<std::unique_ptr<Journal>> look(const std::string& folder);
    ~Journal();

    [[nodiscard]] const JobPlan& plan() const;
    [[nodiscard]] const media::OwnFolder& folder() const;
    [[nodiscard]] std::vector<media::NamedSegment> list() const;  // closed segments, in order
    [[nodiscard]] std::int64_t frames() const;      // in closed segments
    [[nodiscard]] std::int64_t segments() const;
    [[nodiscard]] bool complete() const;            // nothing but the final file is missing
    [[nodiscard]] std::int64_t bytes() const;       // of closed segments
    // The frames that need not be made again: ranges in order, no two of which touch.
    [[nodiscard]] std::vector<FrameRange> held() const;

    // A new segment that begins with frame `first`, a multiple of the plan's segment_frames. It counts once it was put.
    Result<std::unique_ptr<media::SegmentWriter>> begin(std::int64_t first, const media::VideoTrack& track);
    // Takes a finished segment, made by whomever in this folder under file_name(), in any order. The same segment may
    // be put again; one whose frames are those of another, or whose file is not what it says, fails with Errc::format.
    Result<void> put(const media::Segment& segment);
    [[nodiscard]] std::string file_name(std::int64_t first) const;
    // All frames are in closed segments. Fails with Errc::format, naming the first frame that is missing.
    Result<void> finish();

    // The packets of all segments as one stream. Lives no longer than the journal.
    [[nodiscard]] Result<std::unique_ptr<media::SegmentPackets>> packets() const;

    // Removes all in the folder that is ours, and the folder. Fails when something else is in it.
    Result<void> remove();

    struct State;

private:
    Journal() = default;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::video
