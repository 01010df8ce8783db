// SPDX-License-Identifier: Apache-2.0
// Remarks: what the user should know that is no failure, such as a decision, a loss or a warning.
#pragma once

#include <string>
#include <utility>

namespace enlarge {

// A remark. Programs go by its code, people read its text; the text may change from version to version, the code may not.
// docs/json.md lists the codes, and `tools/check_notices.py` fails on a remark without one, or with one not listed there.
struct Notice {
    std::string code;  // "profile-dropped": lower case, with hyphens; empty for lines of LogLevel::info and debug
    std::string text;  // a sentence without a full stop

    Notice() = default;
    Notice(std::string code_, std::string text_) : code(std::move(code_)), text(std::move(text_)) {}
    // Text alone: for lines of LogLevel::info and debug.
    Notice(std::string text_) : text(std::move(text_)) {}
    Notice(const char* text_) : text(text_) {}
    // Read as a string, it is its text.
    operator const std::string&() const { return text; }
};

}  // namespace enlarge
