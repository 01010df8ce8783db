// SPDX-License-Identifier: Apache-2.0
#include "reporter.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "command.hpp"
#include "enlarge/log.hpp"

namespace cli {
namespace {

// The length of the valid UTF-8 sequence at text[at], or 0.
std::size_t utf8_length(const std::string& text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) >= 0xA0) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) >= 0x90) return 0;
    return length;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char c = static_cast<unsigned char>(text[i]);
        const std::size_t length = utf8_length(text, i);
        if (length == 0) {
            out += "\\ufffd";
            ++i;
            continue;
        }
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", c);
            out += escape;
        } else {
            out.append(text, i, length);
        }
        i += length;
    }
    return out + "\"";
}

}  // namespace

JsonLine::JsonLine(const char* event) : text_("{\"event\":" + quoted(event)) {}

void JsonLine::key(const char* name) { text_ += "," + quoted(name) + ":"; }

JsonLine& JsonLine::add(const char* name, const std::string& value) {
    key(name);
    text_ += quoted(value);
    return *this;
}
JsonLine& JsonLine::add(const char* name, double value) {
    key(name);
    char number[40];
    std::snprintf(number, sizeof number, "%.6g", value);
    text_ += std::isfinite(value) ? number : "null";
    return *this;
}
JsonLine& JsonLine::add(const char* name, std::int64_t value) {
    key(name);
    text_ += std::to_string(value);
    return *this;
}
JsonLine& JsonLine::add(const char* name, bool value) {
    key(name);
    text_ += value ? "true" : "false";
    return *this;
}

std::string clock(double seconds) {
    const auto total = static_cast<long long>(seconds + 0.5);
    char text[40];
    if (total >= 3600)
        std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
    else
        std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
    return text;
}

Reporter::Reporter(const ReportOptions& options)
    : options_(options), terminal_(isatty(STDERR_FILENO) && !options.quiet && !options.json) {
    enlarge::set_log_sink([this](enlarge::LogLevel level, const std::string& line) {
        if (level == enlarge::LogLevel::warning || level == enlarge::LogLevel::notice)
            note(line);
        else
            detail(line);
    });
}

Reporter::~Reporter() {
    enlarge::set_log_sink({});
    clear_line();
}

void Reporter::emit(const JsonLine& line) {
    FILE* out = options_.json_to_stderr ? stderr : stdout;
    std::fprintf(out, "%s\n", line.text().c_str());
    std::fflush(out);
}

void Reporter::clear_line() {
    if (line_shown_) std::fputs("\r\033[K", stderr);
    line_shown_ = false;
}

void Reporter::start(const std::string& input, const std::string& output) {
    input_ = input;
    output_ = output;
    ++index_;
    started_ = shown_ = std::chrono::steady_clock::now();
    if (options_.json) emit(JsonLine("start").add("input", input).add("output", output));
}

void Reporter::progress(double fraction, const std::string& detail) {
    const std::lock_guard lock(mutex_);
    if (!terminal_ && !options_.json) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - shown_ < std::chrono::milliseconds(options_.json ? 500 : 100)) return;
    shown_ = now;
    const double elapsed = std::chrono::duration<double>(now - started_).count();
    const double left = fraction > 0 ? elapsed * (1 - fraction) / fraction : -1;
    if (options_.json) {
        JsonLine line("progress");
        line.add("input", input_).add("fraction", fraction);
        if (left >= 0) line.add("seconds_left", left);
        emit(line);
        return;
    }
    std::string text = files_ > 1 ? "[" + std::to_string(index_) + "/" + std::to_string(files_) + "] " : "";
    text += input_ + "  ";
    if (detail.empty()) {
        char numbers[64];
        std::snprintf(numbers, sizeof numbers, "%3.0f%%", fraction * 100);
        text += numbers;
        if (left >= 0 && elapsed > 0.5) text += ", " + clock(left) + " left";
    } else {
        text += detail;
    }
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    line_shown_ = true;
}

void Reporter::done(const std::string& summary, JsonLine line) {
    const std::lock_guard lock(mutex_);
    clear_line();
    if (options_.json)
        emit(line);
    else if (terminal_ || options_.verbose)
        std::fprintf(stderr, "%s\n", summary.c_str());
}

void Reporter::error(const std::string& input, const enlarge::Error& error) {
    const std::lock_guard lock(mutex_);
    clear_line();
    if (options_.json)
        emit(JsonLine("error").add("input", input).add("code", exit_code(error.code)).add("message", error.message));
    std::fprintf(stderr, "enlarge: %s\n", error.message.c_str());
}

void Reporter::note(const std::string& text) {
    const std::lock_guard lock(mutex_);
    clear_line();
    if (options_.json)
        emit(JsonLine("note").add("input", input_).add("message", text));
    else if (!options_.quiet)
        std::fprintf(stderr, "enlarge: note: %s\n", text.c_str());
}

void Reporter::detail(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (!options_.verbose) return;
    clear_line();
    std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace cli
