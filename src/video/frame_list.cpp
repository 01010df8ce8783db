// SPDX-License-Identifier: Apache-2.0
#include "video/frame_list.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

namespace enlarge::video {

namespace {

constexpr std::size_t kLine = 30;

// Digits behind blanks.
bool number_in(const char* text, std::size_t width, int base, auto& number) {
    const char *at = text, *const end = text + width;
    while (at != end && *at == ' ') ++at;
    const auto read = std::from_chars(at, end, number, base);
    return read.ec == std::errc() && read.ptr == end;
}

Error not_planned(std::int64_t number, const std::string& what) {
    return {Errc::format, "frame " + std::to_string(number) + " of the input is not the one that was planned: " + what};
}

}  // namespace

FrameMark mark_of(const media::Frame& frame) {
    const std::uint32_t sum = frame.pixel_sum();
    if (sum == 0) return {frame.pts, 0};
    const std::uint32_t mixed = sum ^ static_cast<std::uint32_t>(frame.duration) * 2654435761u;
    return {frame.pts, mixed ? mixed : 1};
}

std::string text_of(const std::vector<FrameMark>& marks) {
    std::string text;
    text.reserve(marks.size() * kLine);
    for (const FrameMark& mark : marks) {
        char line[kLine + 1];
        std::snprintf(line, sizeof line, "%20lld %08x\n", static_cast<long long>(mark.time), mark.sum);
        text.append(line, kLine);
    }
    return text;
}

Result<std::vector<FrameMark>> read_marks(const std::string& path, const FrameRange& range) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!in) return Error{errno == ENOENT ? Errc::not_found : Errc::io, path + ": " + std::strerror(errno)};
    const Error wrong{Errc::format, path + ": not a list with frames " + std::to_string(range.first) + " to " +
                                        std::to_string(range.end() - 1)};
    if (::fseeko(in.get(), range.first * static_cast<std::int64_t>(kLine), SEEK_SET) != 0) return wrong;
    std::vector<FrameMark> marks;
    for (std::int64_t i = 0; i < range.count; ++i) {
        char line[kLine];
        FrameMark mark;
        const bool whole = std::fread(line, 1, kLine, in.get()) == kLine && line[20] == ' ' && line[kLine - 1] == '\n';
        if (!whole || !number_in(line, 20, 10, mark.time) || !number_in(line + 21, 8, 16, mark.sum)) return wrong;
        if (!marks.empty() && mark.time <= marks.back().time) return wrong;
        marks.push_back(mark);
    }
    return marks;
}

Result<std::optional<std::int64_t>> PlannedFrames::number_of(const media::Frame& frame) {
    const std::optional<std::int64_t> none;
    if (done() || marks_.empty()) return none;
    if (from_key_frame_ && next_ < range_.first) {
        if (frame.pts < marks_.front().time) return none;
        next_ = range_.first;
    }
    const std::int64_t number = next_++;
    if (!range_.contains(number)) return none;
    const FrameMark& planned = marks_[static_cast<std::size_t>(number - range_.first)];
    const FrameMark found = mark_of(frame);
    const bool same_time = found.time == planned.time;
    if (same_time && (found.sum == planned.sum || planned.sum == 0 || found.sum == 0)) return std::optional(number);
    differed_ = true;
    return not_planned(number, same_time ? "its picture differs"
                                         : "it comes at " + std::to_string(found.time) + ", and " +
                                               std::to_string(planned.time) + " was expected");
}

}  // namespace enlarge::video
