// SPDX-License-Identifier: Apache-2.0
// One line of time from a broadcast's clock, which starts anew wherever programmes, recordings or files were joined,
// and wraps. For .cpp files of this module only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "media/ffmpeg.hpp"

namespace enlarge::media {

// Time goes on after a break as FFmpeg's own program has it: a packet more than ten seconds from where the one before
// it of its stream ended, or more than a tenth of a second before that one's beginning, comes right after it, and what
// follows keeps its distance from it. Shorter gaps are gaps. Beyond FFmpeg: the first stream that meets a break decides
// for all, and packets that come late still belong to the time before it, so that sound and picture stay in step.
class Timeline {
public:
    // Packets in file order.
    void correct(AVPacket& packet, const AVStream& stream);
    [[nodiscard]] std::int64_t breaks() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }

private:
    struct Track {
        std::size_t offset = 0;                  // in offsets_
        std::optional<std::int64_t> last, next;  // the beginning and end of its last packet, corrected
    };
    static bool fits(const Track& track, std::int64_t time);
    std::int64_t offset_for(Track& track, std::int64_t time);

    std::vector<std::int64_t> offsets_{0};  // between breaks; all in microseconds
    std::vector<Track> tracks_;
    std::optional<std::int64_t> last_;  // of all streams
};

}  // namespace enlarge::media
