// SPDX-License-Identifier: Apache-2.0
// What the user sees while files are worked on: a progress line on a terminal, JSON lines for programs, or nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "enlarge/enlarge.hpp"
#include "enlarge/notice.hpp"

namespace cli {

// One JSON object on one line. Bytes that are not UTF-8 become U+FFFD.
class JsonLine {
public:
    explicit JsonLine(const char* event);
    JsonLine() : text_("{") {}  // an object within a line
    JsonLine& add(const char* key, const std::string& value);
    JsonLine& add(const char* key, const char* value) { return add(key, std::string(value)); }
    JsonLine& add(const char* key, double value);
    JsonLine& add(const char* key, std::int64_t value);
    JsonLine& add(const char* key, int value) { return add(key, std::int64_t{value}); }
    JsonLine& add(const char* key, bool value);
    // As an object of texts, blanks in its keys replaced by '_'.
    JsonLine& add(const char* key, const std::vector<enlarge::ModelFact>& facts);
    // As a list of objects.
    JsonLine& add(const char* key, const std::vector<JsonLine>& objects);
    [[nodiscard]] std::string text() const { return text_ + "}"; }

private:
    void key(const char* name);
    std::string text_;
};

// Remarks of commands that have no file to work on go to standard error, with those on the folders of own models.
void say_notes();

struct ReportOptions {
    bool quiet = false;
    int verbose = 0;
    bool json = false;
    bool json_to_stderr = false;  // when stdout carries a picture
};

// One per run of the program; not for several threads.
class Reporter {
public:
    explicit Reporter(const ReportOptions& options);
    ~Reporter();

    // `files` inputs will follow.
    void expect(std::size_t files) { files_ = files; }
    void start(const std::string& input, const std::string& output);
    // 0..1; call as often as you like. `detail` replaces the default ("63%, 0:12 left") when not empty.
    void progress(double fraction, const std::string& detail = {});
    // `summary` for people, `line` ("done" event) for programs.
    void done(const std::string& summary, JsonLine line);
    void error(const std::string& input, const enlarge::Error& error);
    // A remark on the current file: "alpha ignored". Silent with --quiet.
    void note(const enlarge::Notice& notice);
    // With -v only.
    void detail(const std::string& text);
    // What follows is a part of something larger: of it only remarks are given on, to `notes`. Empty: no more.
    void within(std::function<void(const enlarge::Notice&)> notes) { notes_ = std::move(notes); }

    [[nodiscard]] bool json() const { return options_.json; }
    [[nodiscard]] bool verbose() const { return options_.verbose > 0; }

private:
    void emit(const JsonLine& line);
    void clear_line();

    ReportOptions options_;
    std::function<void(const enlarge::Notice&)> notes_;
    bool terminal_;
    bool line_shown_ = false;
    std::size_t files_ = 1, index_ = 0;
    std::string input_, output_;
    std::chrono::steady_clock::time_point started_, shown_;
    std::recursive_mutex mutex_;  // the library's log lines may come from other threads
};

// "0:07", "12:40", "2:03:00".
std::string clock(double seconds);

}  // namespace cli
