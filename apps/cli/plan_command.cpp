// SPDX-License-Identifier: Apache-2.0
// `enlarge plan`: the job of many machines.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "farm_options.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

struct PlanOptions {
    JobChoice choice;
    ReportOptions report;
    std::string input, output, job, chunk = "60";
    int parts = 0;
    double lease = 300;
    bool force = false;
};

// Seconds in "60s", "60", "1:30".
Result<double> parse_chunk(std::string text) {
    if (text.size() > 1 && text.back() == 's') text.pop_back();
    const auto time = parse_time(text);
    if (!time) return Error{time.error().code, "--chunk: " + time.error().message};
    if (!(*time > 0)) return Error{Errc::argument, "--chunk: a part must last longer than 0 s"};
    return *time;
}

void say_plan(const enlarge::FarmJob& job, bool quiet, Reporter& reporter) {
    const double seconds = job.seconds_per_frame * static_cast<double>(job.frames);
    const auto parts = static_cast<double>(job.parts.size());
    const auto from_keys =
        std::count_if(job.parts.begin(), job.parts.end(), [](const auto& part) { return part.from_key_frame; });
    JsonLine line("done");
    line.add("job", job.folder)
        .add("frames", job.frames)
        .add("parts", static_cast<int>(job.parts.size()))
        .add("tasks", job.tasks);
    line.add("seconds_per_frame", job.seconds_per_frame).add("machine_hours", seconds / 3600);
    line.add("parts_from_key_frame", static_cast<int>(from_keys));
    if (!reporter.json() && !quiet) {
        std::printf("%s: %lld frames in %zu part%s (tasks 0 to %d)\n", printable(job.folder).c_str(),
                    static_cast<long long>(job.frames), job.parts.size(), job.parts.size() == 1 ? "" : "s",
                    job.tasks - 1);
        std::printf("the network takes %s s a frame here: %s on one machine like this (%s machine hours), %s on %.0f\n",
                    fixed(job.seconds_per_frame, 4).c_str(), duration(seconds).c_str(),
                    fixed(seconds / 3600, 2).c_str(), duration(seconds / parts).c_str(), parts);
        std::printf("%lld parts begin decoding at a key frame, the others at the beginning\n",
                    static_cast<long long>(from_keys));
    }
    reporter.done("planned", std::move(line));
}

int run_plan(const CLI::App& app, PlanOptions& o) {
    Reporter reporter(o.report);
    const auto fail_with = [&](const Error& error) {
        reporter.error(o.input, error);
        return exit_code(error.code);
    };
    enlarge::JobRequest request{.parts = o.parts, .lease_s = o.lease};
    const auto chunk = parse_chunk(o.chunk);
    if (!chunk) return fail_with(chunk.error());
    request.chunk_s = *chunk;
    auto video = video_options(o.choice.engine, o.choice.video);
    if (!video) return fail_with(video.error());
    video->overwrite = o.force;
    std::string model;
    auto upscaler = upscaler_of(o.choice.engine, model);
    if (!upscaler) return fail_with(upscaler.error());
    request.options = options_to_keep(app, o.choice, model);
    reporter.start(o.input, o.output);
    follow(*video, reporter);
    const auto job = enlarge::plan_job(*upscaler, o.input, o.output, *video, o.job, request);
    if (!job) return fail_with(Error{job.error().code, o.input + ": " + job.error().message});
    say_plan(*job, o.report.quiet, reporter);
    return kOk;
}

}  // namespace

Action define_plan(CLI::App& app) {
    auto options = std::make_shared<PlanOptions>();
    PlanOptions& o = *options;
    app.add_option("FILM", o.input, "Video file, or a pattern of numbered pictures")->required()->group("Job");
    app.add_option("-o,--output", o.output, "File that `enlarge join` will write")
        ->required()
        ->type_name("PATH")
        ->group("Job");
    app.add_option("--job", o.job, "Folder to make, which all machines see")
        ->required()
        ->type_name("FOLDER")
        ->group("Job");
    auto* chunk = app.add_option("--chunk", o.chunk, "How much of the film is a part: 60s, 1:30")
                      ->type_name("TIME")
                      ->capture_default_str()
                      ->group("Job");
    app.add_option("--parts", o.parts, "How many parts; tasks 0 to N-1 exist even where there are fewer segments")
        ->type_name("N")
        ->check(whole(1, 1'000'000))
        ->excludes(chunk)
        ->group("Job");
    app.add_option("--lease", o.lease, "A worker that is silent for so long counts as dead")
        ->type_name("SECONDS")
        ->check(number(1, 1e6))
        ->capture_default_str()
        ->group("Job");
    app.add_flag("-f,--force", o.force, "Also when the output exists")->group("Job");
    define_job_options(app, o.choice);
    define_messages(app, o.report);
    return [options, &app] { return run_plan(app, *options); };
}

}  // namespace cli
