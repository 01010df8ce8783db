// SPDX-License-Identifier: Apache-2.0
#include "video/job_plan.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "media/place.hpp"
#include "media/segment.hpp"

namespace enlarge::video {

namespace {

constexpr const char* kTitle = "enlarge plan 1";
constexpr std::size_t kMostParts = std::size_t{1} << 20;
constexpr std::int64_t kLargestFile = 256 << 20;

std::string escape(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') out += "\\n";
        else if (c == '\\') out += "\\\\";
        else out += c;
    }
    return out;
}

std::string unescape(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) out += text[++i] == 'n' ? '\n' : text[i];
        else out += text[i];
    }
    return out;
}

// "12 34" as numbers of at most kMostCounted; nothing but them.
template <class... Number>
bool read_counts(const std::string& text, Number&... numbers) {
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto one = [&](std::int64_t& number) {
        const auto read = std::from_chars(at, end, number);
        at = read.ptr + (read.ptr != end && *read.ptr == ' ' ? 1 : 0);
        return read.ec == std::errc() && number >= 0 && number <= media::kMostCounted;
    };
    return (one(numbers) && ...) && at == end;
}

std::string range_text(const FrameRange& range) {
    return "frames " + std::to_string(range.first) + " to " + std::to_string(range.end() - 1);
}

}  // namespace

Result<void> divide(JobPlan& plan, int count) {
    if (plan.frames < 1) return Error{Errc::argument, "the number of frames is not known: the work cannot be divided"};
    if (count < 1) return Error{Errc::argument, std::to_string(count) + " parts; at least 1 is possible"};
    const std::int64_t segments = (plan.frames + plan.segment_frames - 1) / plan.segment_frames;
    const std::int64_t parts = std::min<std::int64_t>(count, segments);
    plan.parts.clear();
    for (std::int64_t i = 0; i < parts; ++i) {
        const std::int64_t first = segments * i / parts * plan.segment_frames;
        const std::int64_t end = std::min(segments * (i + 1) / parts * plan.segment_frames, plan.frames);
        plan.parts.push_back({first, end - first});
    }
    return {};
}

Result<void> check(const JobPlan& plan) {
    if (plan.segment_frames < 1) return Error{Errc::format, "a segment must have at least one frame"};
    std::int64_t next = 0;
    for (const FrameRange& part : plan.parts) {
        if (part.count < 1 || part.first != next)
            return Error{Errc::format, "the part with " + range_text(part) + " does not follow the one before, which " +
                                           "ends before frame " + std::to_string(next)};
        if (part.first % plan.segment_frames != 0)
            return Error{Errc::format, "the part with " + range_text(part) + " does not begin with a segment (of " +
                                           std::to_string(plan.segment_frames) + " frames)"};
        next = part.end();
    }
    if (!plan.parts.empty() && next != plan.frames)
        return Error{Errc::format, "the parts have " + std::to_string(next) + " frames and the whole has " +
                                       std::to_string(plan.frames)};
    return {};
}

std::string lines_of(const JobPlan& plan) {
    std::string out = "input " + escape(plan.input) + "\noutput " + escape(plan.output) + "\nframes " +
                      std::to_string(plan.frames) + "\nsegment-frames " + std::to_string(plan.segment_frames) + "\n";
    for (const auto& [name, value] : plan.fingerprint) out += "fact " + escape(name) + '\t' + escape(value) + '\n';
    for (const FrameRange& part : plan.parts)
        out += "part " + std::to_string(part.first) + ' ' + std::to_string(part.count) + '\n';
    return out;
}

Result<bool> read_line(const std::string& line, JobPlan& plan) {
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, blank), rest = line.substr(std::min(blank + 1, line.size()));
    const Error wrong{Errc::format, "'" + line.substr(0, 80) + "' cannot be meant"};
    if (word == "input") plan.input = unescape(rest);
    else if (word == "output") plan.output = unescape(rest);
    else if (word == "frames") {
        if (!read_counts(rest, plan.frames)) return wrong;
    } else if (word == "segment-frames") {
        if (!read_counts(rest, plan.segment_frames)) return wrong;
    } else if (word == "fact") {
        const auto tab = rest.find('\t');
        if (tab == std::string::npos) return wrong;
        plan.fingerprint.emplace_back(unescape(rest.substr(0, tab)), unescape(rest.substr(tab + 1)));
    } else if (word == "part") {
        FrameRange part;
        if (plan.parts.size() >= kMostParts || !read_counts(rest, part.first, part.count)) return wrong;
        plan.parts.push_back(part);
    } else {
        return false;
    }
    return true;
}

std::string sealed(const std::string& body) {
    return body + "end " + std::to_string(media::checksum(0, body.data(), body.size())) + "\n";
}

Result<std::string> unsealed(const std::string& text) {
    const auto end = text.rfind("end ");
    if (end == std::string::npos || sealed(text.substr(0, end)) != text)
        return Error{Errc::format, "damaged: the checksum in its last line is not that of its text"};
    return text.substr(0, end);
}

std::string text_of(const JobPlan& plan) { return sealed(std::string(kTitle) + "\n" + lines_of(plan)); }

Result<JobPlan> parse_plan(const std::string& text) {
    if (text.rfind("enlarge plan ", 0) != 0) return Error{Errc::format, "not the plan of a job"};
    if (text.rfind(std::string(kTitle) + "\n", 0) != 0)
        return Error{Errc::unsupported, "a plan of another version: '" + text.substr(0, std::min<std::size_t>(
                                            text.find('\n'), 40)) + "'; '" + kTitle + "' was expected"};
    TRY(const std::string body, unsealed(text));
    std::istringstream lines(body);
    std::string line;
    std::getline(lines, line);
    JobPlan plan;
    while (std::getline(lines, line)) {
        TRY(const bool known, read_line(line, plan));
        if (!known) return Error{Errc::format, "'" + line.substr(0, 80) + "' is no line of a plan"};
    }
    TRY(check(plan));
    return plan;
}

Result<void> write_plan(const std::string& path, const JobPlan& plan) {
    if (auto good = check(plan); !good) return std::move(good.error()).within(path);
    TRY(const media::NewFile file, media::create_part(path));
    const std::string text = text_of(plan);
    std::FILE* const out = ::fdopen(file.fd, "w");
    bool good = out && std::fwrite(text.data(), 1, text.size(), out) == text.size();
    const int reason = errno;
    good = out && std::fclose(out) == 0 && good;
    if (!good) {
        std::remove(file.path.c_str());
        return Error{Errc::io, path + ": " + std::strerror(reason)};
    }
    TRY(media::place(file.path, path, true));
    return media::sync_folder_of(path);
}

Result<JobPlan> read_plan(const std::string& path) {
    std::FILE* const in = std::fopen(path.c_str(), "rb");
    if (!in) return Error{errno == ENOENT ? Errc::not_found : Errc::io, path + ": " + std::strerror(errno)};
    std::string text;
    char block[65536];
    for (std::size_t got = 0; (got = std::fread(block, 1, sizeof block, in)) > 0;) {
        text.append(block, got);
        if (text.size() > kLargestFile) break;
    }
    std::fclose(in);
    if (text.size() > kLargestFile) return Error{Errc::limit, path + ": larger than any plan"};
    auto plan = parse_plan(text);
    if (!plan) return std::move(plan.error()).within(path);
    return plan;
}

}  // namespace enlarge::video
