// SPDX-License-Identifier: Apache-2.0
// Segments of encoded video: each a file of its own that says all that is needed to put it into a container. Any process
// may make any of them, in any order; put together they are one stream.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "media/output.hpp"
#include "media/own_folder.hpp"

namespace enlarge::media {

// No time is farther, nothing is counted beyond: differences of times and sums over all segments cannot overflow.
inline constexpr std::int64_t kFarthest = std::int64_t{1} << 60;
inline constexpr std::int64_t kMostCounted = std::int64_t{1} << 42;

// CRC-32 of `data` after what `start` is the sum of; 0 begins.
std::uint32_t checksum(std::uint32_t start, const void* data, std::size_t size);

// What is known of a finished segment. Frames are counted from 0 over the whole output, as the network makes them.
struct Segment {
    std::int64_t first = 0, frames = 0;
    std::int64_t packets = 0;
    std::int64_t bytes = 0;          // of its file
    std::int64_t last_duration = 0;  // of the last frame in presentation order, in VideoTrack::time_base
    std::uint32_t sum = 0;           // of its file
    [[nodiscard]] std::int64_t end() const { return first + frames; }
    friend bool operator==(const Segment&, const Segment&) = default;
};
// As one line of text, and back. Fails with Errc::format for anything else, and for counts that cannot be.
std::string store(const Segment& segment);
Result<Segment> restore_segment(const std::string& line);

// Whether the file is there and has the bytes that the segment says.
bool holds(const OwnFolder& folder, const std::string& name, const Segment& segment);

// Writes the file of one segment under "<name>.part"; it gets its name when it is whole and on disk.
class SegmentWriter {
public:
    // The folder must live as long.
    static Result<std::unique_ptr<SegmentWriter>> create(const OwnFolder& folder, std::string name, std::int64_t first,
                                                         const VideoTrack& track);
    ~SegmentWriter();  // what was not finished goes away again
    Result<void> add(const Packet& packet);
    Result<Segment> finish(std::int64_t frames, std::int64_t last_duration);

private:
    SegmentWriter(const OwnFolder& folder, std::string name) : folder_(folder), name_(std::move(name)) {}
    [[nodiscard]] std::string part() const { return name_ + ".part"; }
    Result<void> write(const void* data, std::size_t size);

    const OwnFolder& folder_;
    std::string name_;
    std::FILE* file_ = nullptr;
    Segment segment_;
};

// The packets of segments that follow each other, as one stream: decoding times and durations are made from all
// presentation times, so they do not depend on where segments begin.
class SegmentPackets {
public:
    virtual ~SegmentPackets() = default;
    [[nodiscard]] virtual const VideoTrack& track() const = 0;
    virtual Result<Packet> next() = 0;  // empty at the end
};
struct NamedSegment {
    std::string name;         // of the file
    Segment segment;
    std::int64_t offset = 0;  // of the segment in it: a file may hold several, one behind the other
};
// At least one. The folder must live as long as what is returned.
Result<std::unique_ptr<SegmentPackets>> read_segments(const OwnFolder& folder, std::vector<NamedSegment> segments);

}  // namespace enlarge::media
