// SPDX-License-Identifier: Apache-2.0
#include "reporter.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "command.hpp"
#include "enlarge/log.hpp"
#include "enlarge/models.hpp"
#include "text.hpp"

namespace cli {
JsonLine::JsonLine(const char* event) : text_("{\"event\":" + json_quoted(event)) {}

void JsonLine::key(const char* name) { text_ += (text_ == "{" ? "" : ",") + json_quoted(name) + ":"; }

JsonLine& JsonLine::add(const char* name, const std::string& value) {
    key(name);
    text_ += json_quoted(value);
    return *this;
}
JsonLine& JsonLine::add(const char* name, double value) {
    key(name);
    text_ += std::isfinite(value) ? shortest(value) : "null";
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

JsonLine& JsonLine::add(const char* name, const std::vector<enlarge::ModelFact>& facts) {
    key(name);
    text_ += '{';
    for (const auto& [what, value] : facts) {
        std::string word = what;
        std::replace(word.begin(), word.end(), ' ', '_');
        text_ += (text_.back() == '{' ? "" : ",") + json_quoted(word) + ':' + json_quoted(value);
    }
    text_ += '}';
    return *this;
}

JsonLine& JsonLine::add(const char* name, const std::vector<JsonLine>& objects) {
    key(name);
    text_ += '[';
    for (const JsonLine& object : objects) text_ += (text_.back() == '[' ? "" : ",") + object.text();
    text_ += ']';
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

void say_notes() {
    const auto say = [](const enlarge::Notice& said) {
        std::fprintf(stderr, "enlarge: note: %s\n", printable(said.text).c_str());
    };
    enlarge::set_log_sink([say](enlarge::LogLevel level, const enlarge::Notice& said) {
        if (level >= enlarge::LogLevel::notice) say(said);
    });
    for (const enlarge::Notice& said : enlarge::own_folder_notices()) say(said);
}

Reporter::Reporter(const ReportOptions& options)
    : options_(options), terminal_(isatty(STDERR_FILENO) && !options.quiet && !options.json) {
    enlarge::set_log_sink([this](enlarge::LogLevel level, const enlarge::Notice& said) {
        if (level == enlarge::LogLevel::warning || level == enlarge::LogLevel::notice)
            note(said);
        else
            detail(said);
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
    if (notes_) return;
    input_ = input;
    output_ = output;
    ++index_;
    started_ = shown_ = std::chrono::steady_clock::now();
    if (options_.json) emit(JsonLine("start").add("input", input).add("output", output));
}

void Reporter::progress(double fraction, const std::string& detail) {
    const std::lock_guard lock(mutex_);
    if (notes_ || (!terminal_ && !options_.json)) return;
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
        text += fixed(fraction * 100, 0) + "%";
        if (left >= 0 && elapsed > 0.5) text += ", " + clock(left) + " left";
    } else {
        text += detail;
    }
    std::fprintf(stderr, "\r\033[K%s", printable(text).c_str());
    std::fflush(stderr);
    line_shown_ = true;
}

void Reporter::done(const std::string& summary, JsonLine line) {
    const std::lock_guard lock(mutex_);
    if (notes_) return;
    clear_line();
    if (options_.json)
        emit(line);
    else if (terminal_ || options_.verbose)
        std::fprintf(stderr, "%s\n", printable(summary).c_str());
}

void Reporter::error(const std::string& input, const enlarge::Error& error) {
    const std::lock_guard lock(mutex_);
    clear_line();
    if (options_.json)
        emit(JsonLine("error").add("input", input).add("code", exit_code(error.code)).add("message", error.message));
    std::fprintf(stderr, "enlarge: %s\n", printable(error.message).c_str());
}

void Reporter::note(const enlarge::Notice& notice) {
    const std::lock_guard lock(mutex_);
    if (notes_) {  // which may come back here
        const auto notes = std::exchange(notes_, {});
        notes(notice);
        notes_ = notes;
        return;
    }
    clear_line();
    if (options_.json)
        emit(JsonLine("note").add("input", input_).add("code", notice.code).add("message", notice.text));
    else if (!options_.quiet)
        std::fprintf(stderr, "enlarge: note: %s\n", printable(notice.text).c_str());
}

void Reporter::detail(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (!options_.verbose || notes_) return;
    clear_line();
    std::fprintf(stderr, "%s\n", printable(text).c_str());
}

}  // namespace cli
