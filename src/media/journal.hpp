// SPDX-License-Identifier: Apache-2.0
// Finished work on disk: closed segments of encoded video and a journal that names them. Whatever happens to the program
// or the machine, what the journal names is whole.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "media/output.hpp"

namespace enlarge::media {

// What must be the same for work to be continued, each with a name for people: {"input size", "93842 bytes"}.
using Facts = std::vector<std::pair<std::string, std::string>>;

// What identifies the bytes of a file: its size and contents (of a large file: samples of them, and its date).
Result<Facts> file_facts(const std::string& path);
// "FFmpeg libavcodec 59.37.100 ...": other libraries may give other packets.
std::string library_versions();

class Journal {
public:
    // Opens the folder, or makes it. When it holds work done with other facts or by a version with another kind of journal,
    // fails with Errc::exists and says what differs; `restart` removes that work. A folder that is a link, or another
    // user's, or holds something else, is refused. Only one process may hold a folder.
    static Result<std::unique_ptr<Journal>> open(const std::string& folder, const Facts& facts, bool restart);
    ~Journal();

    [[nodiscard]] std::int64_t frames() const;      // in closed segments
    [[nodiscard]] std::int64_t segments() const;
    [[nodiscard]] bool complete() const;            // nothing but the final file is missing
    [[nodiscard]] std::int64_t bytes() const;       // of closed segments

    // The next segment: begin, add packets, close. Only closed segments count.
    Result<void> begin(const VideoTrack& track);
    Result<void> add(const Packet& packet);
    // `last_duration` of the last frame in presentation order, in track.time_base.
    Result<void> close(std::int64_t frames, std::int64_t last_duration);
    // All frames are in closed segments.
    Result<void> finish();

    // The packets of all segments in order, as one stream: decoding times and durations are made from all presentation
    // times, so they do not depend on where segments begin.
    // Lives no longer than the journal.
    class Packets {
    public:
        virtual ~Packets() = default;
        [[nodiscard]] virtual const VideoTrack& track() const = 0;
        virtual Result<Packet> next() = 0;  // empty at the end
    };
    Result<std::unique_ptr<Packets>> packets() const;

    // Removes all in the folder that is ours, and the folder. Fails when something else is in it.
    Result<void> remove();

    struct State;

private:
    Journal() = default;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::media
