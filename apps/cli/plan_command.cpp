// SPDX-License-Identifier: Apache-2.0
// `enlarge plan`: the job of many machines.
#include <algorithm>
#include <cstdio>
#include <filesystem>
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
    const char* const unit = job.files.empty() ? "frame" : "file";
    JsonLine line("done");
    line.add("job", job.folder)
        .add(job.files.empty() ? "frames" : "files", job.frames)
        .add("parts", static_cast<int>(job.parts.size()))
        .add("tasks", job.tasks);
    line.add((std::string("seconds_per_") + unit).c_str(), job.seconds_per_frame);
    line.add("machine_hours", seconds / 3600);
    if (job.files.empty()) line.add("parts_from_key_frame", static_cast<int>(from_keys));
    if (!reporter.json() && !quiet) {
        std::printf("%s: %lld %s%s in %zu part%s (tasks 0 to %d)\n", printable(job.folder).c_str(),
                    static_cast<long long>(job.frames), unit, job.frames == 1 ? "" : "s", job.parts.size(),
                    job.parts.size() == 1 ? "" : "s", job.tasks - 1);
        std::printf("the network takes %s s a %s here: %s on one machine like this (%s machine hours), %s on %.0f\n",
                    fixed(job.seconds_per_frame, 4).c_str(), unit, duration(seconds).c_str(),
                    fixed(seconds / 3600, 2).c_str(), duration(seconds / parts).c_str(), parts);
        if (job.files.empty())
            std::printf("%lld parts begin decoding at a key frame, the others at the beginning\n",
                        static_cast<long long>(from_keys));
    }
    reporter.done("planned", std::move(line));
}

// The network for what there is to do; of a folder also that.
Result<enlarge::Upscaler> prepare(const PlanOptions& o, bool folder, enlarge::JobRequest& request, std::string& model,
                                  Reporter& reporter) {
    if (!folder) return upscaler_of(o.choice.engine, enlarge::Use::video, std::nullopt, model);
    auto found = look_at_folder(o.input, o.output, o.choice, o.force);
    if (!found) return std::move(found).error();
    for (const enlarge::Notice& said : found->notices) reporter.note(said);
    request.files = std::move(found->files);
    return upscaler_of(o.choice.engine, enlarge::Use::pictures, found->factor, model);
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
    std::error_code ignored;
    const bool folder = std::filesystem::is_directory(o.input, ignored);
    if (const auto fitting = check_options(app, folder); !fitting) return fail_with(fitting.error());
    std::string model;
    auto upscaler = prepare(o, folder, request, model, reporter);
    if (!upscaler) return fail_with(upscaler.error());
    request.options = options_to_keep(app, o.choice, model);
    reporter.start(o.input, o.output);
    follow(*video, reporter);
    const auto job = enlarge::plan_job(*upscaler, o.input, o.output, *video, o.job, request);
    if (!job && (folder || job.error().message.starts_with(o.input + ": "))) return fail_with(job.error());
    if (!job) return fail_with(Error{job.error().code, o.input + ": " + job.error().message});
    say_plan(*job, o.report.quiet, reporter);
    return kOk;
}

}  // namespace

Action define_plan(CLI::App& app) {
    auto options = std::make_shared<PlanOptions>();
    PlanOptions& o = *options;
    app.add_option("FILM", o.input, "Video file, a pattern of numbered pictures, or a folder of pictures")
        ->required()
        ->group("Job");
    app.add_option("-o,--output", o.output, "File, or folder, that `enlarge join` will write")
        ->required()
        ->type_name("PATH")
        ->group("Job");
    app.add_option("--job", o.job, "Folder to make, which all machines see")
        ->required()
        ->type_name("FOLDER")
        ->group("Job");
    auto* chunk =
        app.add_option("--chunk", o.chunk, "How much of the film is a part: 60s, 1:30; of pictures how much work")
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
