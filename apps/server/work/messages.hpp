// SPDX-License-Identifier: Apache-2.0
// What the server and its worker processes say to each other: one JSON object a line, over a socket pair.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "enlarge/result.hpp"
#include "http/text.hpp"

namespace serve {

// Server to worker: a piece of work. Paths are the server's own, never a client's.
struct Work {
    std::int64_t id = 0;
    std::string input;   // a file
    std::string output;  // where the result goes, without its ending
    std::string name;    // what the client calls it, for messages
    Params options;
    bool moving = false;   // of Kind; or a worker found it to be an animation
    bool stills = false;   // animations are not wanted here: Event::film is the answer to them
    std::string demuxer;
    std::int64_t max_pixels = 0;  // of picture or frame, before and after
    std::int64_t memory_bytes = 0;
    double seconds = 0;     // 0: no limit
    bool checksum = false;  // of the result is wanted
};
std::string to_line(const Work& work);
// Nothing where the line is none of ours.
std::optional<Work> work_of(const std::string& line);

// Worker to server. Which of the parts are there depends on `event`.
struct Said {
    enum class Event { ready, progress, remark, done, failed, film } event = Event::ready;
    std::int64_t id = 0;
    double fraction = 0, seconds_left = -1;        // progress; seconds_left negative: not known
    std::string text;                              // remark; failed: the sentence; ready: the device
    enlarge::Errc code = enlarge::Errc::internal;  // failed
    int width = 0, height = 0;                     // done
    std::int64_t frames = 0;                       // done, of films; progress: so far, of films
    std::string extension, model;                  // done
    double seconds = 0;                            // done: at work
    std::uint32_t checksum = 0;                    // done: CRC-32 of the result, where it was wanted
};
std::string to_line(const Said& said);
std::optional<Said> said_of(const std::string& line);

// The names of Errc in answers: "format", "limit".
const char* errc_name(enlarge::Errc code);

// Lines out of a descriptor's bytes.
class LineReader {
public:
    // Reads once; calls `take` for every whole line. False at the end of the stream, on errors, or when a line is
    // endless.
    bool read_some(int fd, const std::function<void(const std::string&)>& take);

private:
    std::string rest_;
};
// All of it and a newline; false when the other side is gone.
bool write_line(int fd, const std::string& line);

}  // namespace serve
