// SPDX-License-Identifier: Apache-2.0
// Clips that the ffmpeg program makes (the product never runs it), and the identity network, which shows what else
// changed.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "enlarge/log.hpp"
#include "media/program.hpp"

namespace enlarge::test {

#define SKIP_WITHOUT_FFMPEG()                                 \
    if (std::system("ffmpeg -version > /dev/null 2>&1") != 0) \
    GTEST_SKIP() << "SKIPPED: the ffmpeg program, which makes the clip, is not installed"

inline testing::AssertionResult ffmpeg(const std::string& words) {
    const std::string command = "ffmpeg -v error -nostdin -y " + words;
    return std::system(command.c_str()) == 0 ? testing::AssertionSuccess() : testing::AssertionFailure() << command;
}

// Enlarges with the identity network; what was said, notices and log lines, is in `said`.
struct Enlarged {
    Result<VideoReport> report;
    std::string said;
};
inline Enlarged enlarged(const std::string& in, const std::string& out, VideoOptions options = {}) {
    std::string said;
    options.notice = [&](const std::string& text) { said += text + "\n"; };
    std::string logged;
    set_log_sink([&](LogLevel level, const std::string& line) {
        if (level >= LogLevel::notice) logged += line + "\n";
    });
    Upscaler engine = upscaler("identity-x1");
    auto report = enlarge_video(engine, in, out, options);
    set_log_sink({});
    return {std::move(report), said + logged};
}

inline void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace enlarge::test
