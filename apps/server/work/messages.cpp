// SPDX-License-Identifier: Apache-2.0
#include "work/messages.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace serve {
namespace {

using enlarge::Errc;
using json = nlohmann::json;

constexpr std::array kCodes{"internal", "argument", "not_found", "io",      "exists",  "format",   "unsupported",
                            "limit",    "memory",   "device",    "network", "numeric", "cancelled"};
constexpr std::array kEvents{"ready", "progress", "remark", "done", "failed", "film"};
constexpr std::size_t kLongestLine = 1 << 20;

template <std::size_t N>
std::size_t index_of(const std::array<const char*, N>& words, const std::string& word) {
    for (std::size_t i = 0; i < N; ++i)
        if (word == words[i]) return i;
    return 0;
}

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

const char* errc_name(Errc code) { return kCodes[static_cast<std::size_t>(code)]; }

std::string to_line(const Work& w) {
    return dumped({{"id", w.id},
                   {"input", w.input},
                   {"output", w.output},
                   {"name", w.name},
                   {"options", w.options},
                   {"moving", w.moving},
                   {"stills", w.stills},
                   {"demuxer", w.demuxer},
                   {"max_pixels", w.max_pixels},
                   {"memory_bytes", w.memory_bytes},
                   {"seconds", w.seconds},
                   {"checksum", w.checksum}});
}

std::optional<Work> work_of(const std::string& line) {
    const json v = json::parse(line, nullptr, false);
    if (!v.is_object() || !v.contains("input")) return std::nullopt;
    Work w;
    w.id = v.value("id", w.id);
    w.input = v.value("input", w.input);
    w.output = v.value("output", w.output);
    w.name = v.value("name", w.name);
    w.options = v.value("options", w.options);
    w.moving = v.value("moving", w.moving);
    w.stills = v.value("stills", w.stills);
    w.demuxer = v.value("demuxer", w.demuxer);
    w.max_pixels = v.value("max_pixels", w.max_pixels);
    w.memory_bytes = v.value("memory_bytes", w.memory_bytes);
    w.seconds = v.value("seconds", w.seconds);
    w.checksum = v.value("checksum", w.checksum);
    return w;
}

std::string to_line(const Said& s) {
    json v = {{"event", kEvents[static_cast<std::size_t>(s.event)]}, {"id", s.id}};
    using enum Said::Event;
    if (s.event == progress)
        v.update({{"fraction", s.fraction}, {"seconds_left", s.seconds_left}, {"frames", s.frames}});
    if (s.event == ready || s.event == remark || s.event == failed) v["text"] = s.text;
    if (s.event == failed) v["code"] = errc_name(s.code);
    if (s.event == done)
        v.update({{"width", s.width},
                  {"height", s.height},
                  {"frames", s.frames},
                  {"extension", s.extension},
                  {"model", s.model},
                  {"seconds", s.seconds},
                  {"checksum", s.checksum}});
    return dumped(v);
}

// A worker may be anything by now: a value of another type is none of ours either.
std::optional<Said> said_of(const std::string& line) try {
    const json v = json::parse(line, nullptr, false);
    if (!v.is_object() || !v.contains("event")) return std::nullopt;
    Said s;
    s.event = static_cast<Said::Event>(index_of(kEvents, v.value("event", "")));
    s.id = v.value("id", s.id);
    s.fraction = v.value("fraction", s.fraction);
    s.seconds_left = v.value("seconds_left", s.seconds_left);
    s.text = v.value("text", s.text);
    s.code = static_cast<Errc>(index_of(kCodes, v.value("code", "")));
    s.width = v.value("width", s.width);
    s.height = v.value("height", s.height);
    s.frames = v.value("frames", s.frames);
    s.extension = v.value("extension", s.extension);
    s.model = v.value("model", s.model);
    s.seconds = v.value("seconds", s.seconds);
    s.checksum = v.value("checksum", s.checksum);
    return s;
} catch (const json::exception&) {
    return std::nullopt;
}

bool LineReader::read_some(int fd, const std::function<void(const std::string&)>& take) {
    char buffer[4096];
    ssize_t got;
    do got = ::recv(fd, buffer, sizeof buffer, 0);
    while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    rest_.append(buffer, static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1)
        take(rest_.substr(begin, end - begin));
    rest_.erase(0, begin);
    return rest_.size() <= kLongestLine;
}

bool write_line(int fd, const std::string& line) {
    const std::string text = line + "\n";
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t sent = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        at += static_cast<std::size_t>(sent);
    }
    return true;
}

}  // namespace serve
