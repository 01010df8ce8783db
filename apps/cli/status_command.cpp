// SPDX-License-Identifier: Apache-2.0
// `enlarge status`: how far a job is.
#include <cstdio>
#include <memory>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "enlarge/farm.hpp"
#include "farm_options.hpp"
#include "text.hpp"

namespace cli {
namespace {

const char* state_name(enlarge::PartState state) {
    using enum enlarge::PartState;
    switch (state) {
        case waiting:
            return "waiting";
        case working:
            return "working";
        case silent:
            return "silent";
        case failed:
            return "failed";
        case given_up:
            return "given up";
        case done:
            return "done";
    }
    return "";
}

void print_json(const enlarge::JobStatus& s) {
    JsonLine line("status");
    const bool files = !s.job.files.empty();
    line.add("job", s.job.folder)
        .add("output", s.job.output)
        .add(files ? "files" : "frames", s.job.frames)
        .add(files ? "files_done" : "frames_done", s.frames_done);
    if (files) line.add("files_failed", s.files_failed);
    line.add("bytes", s.bytes).add("working", s.working);
    if (s.seconds_left >= 0) line.add("seconds_left", s.seconds_left);
    std::string parts;
    for (std::size_t i = 0; i < s.parts.size(); ++i) {
        const auto& part = s.parts[i];
        parts += (i ? "," : "") + std::string("{\"part\":") + std::to_string(i) +
                 ",\"state\":" + json_quoted(state_name(part.state)) +
                 ",\"first\":" + std::to_string(s.job.parts[i].first) +
                 (files ? ",\"files\":" : ",\"frames\":") + std::to_string(s.job.parts[i].frames) +
                 ",\"failures\":" + std::to_string(part.failures) + ",\"seconds\":" + shortest(part.seconds) +
                 ",\"who\":" + json_quoted(part.who) + ",\"reason\":" + json_quoted(part.reason) + "}";
    }
    const std::string text = line.text();
    std::printf("%s,\"parts\":[%s]}\n", text.substr(0, text.size() - 1).c_str(), parts.c_str());
}

int run_status(const std::string& folder, bool json) {
    const auto found = enlarge::status_of_job(folder);
    if (!found) return fail(found.error());
    const enlarge::JobStatus& s = *found;
    if (json) {
        print_json(s);
        return kOk;
    }
    std::size_t done = 0, waiting = 0;
    for (const auto& part : s.parts) {
        done += part.state == enlarge::PartState::done ? 1 : 0;
        waiting += part.state == enlarge::PartState::waiting ? 1 : 0;
    }
    const char* const unit = s.job.files.empty() ? "frames" : "files";
    std::printf("%s: %zu of %zu parts done, %lld of %lld %s (%s %%); %d in work, %zu waiting%s\n",
                printable(s.job.output).c_str(), done, s.parts.size(), static_cast<long long>(s.frames_done),
                static_cast<long long>(s.job.frames), unit,
                fixed(100.0 * static_cast<double>(s.frames_done) / static_cast<double>(s.job.frames), 1).c_str(),
                s.working, waiting,
                s.seconds_left >= 0 ? ("; about " + duration(s.seconds_left) + " left").c_str() : "");
    if (s.files_failed > 0) std::printf("  %d files cannot be enlarged; logs/ says why\n", s.files_failed);
    for (std::size_t i = 0; i < s.parts.size(); ++i) {
        const auto& part = s.parts[i];
        if (part.state == enlarge::PartState::done || part.state == enlarge::PartState::waiting) continue;
        std::printf("  part %6zu  %-8s  %s %lld to %lld", i, state_name(part.state), unit,
                    static_cast<long long>(s.job.parts[i].first),
                    static_cast<long long>(s.job.parts[i].first + s.job.parts[i].frames - 1));
        if (!part.who.empty())
            std::printf("  %s, heard of %s s ago", printable(part.who).c_str(), fixed(part.seconds, 0).c_str());
        if (part.failures > 0) std::printf("  %d failures", part.failures);
        if (!part.reason.empty()) std::printf(": %s", printable(part.reason).c_str());
        std::printf("\n");
    }
    return kOk;
}

}  // namespace

Action define_status(CLI::App& app) {
    auto folder = std::make_shared<std::string>();
    auto json = std::make_shared<bool>(false);
    app.add_option("JOB", *folder, "Folder that `enlarge plan` made")->required()->group("Job");
    app.add_flag("--json", *json, "One JSON object with every part")->group("Messages");
    return [folder, json] { return run_status(*folder, *json); };
}

}  // namespace cli
