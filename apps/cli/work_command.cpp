// SPDX-License-Identifier: Apache-2.0
// `enlarge work`: parts of a job.
#include <cstdlib>
#include <memory>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "farm_options.hpp"
#include "farm_task.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

struct WorkOptions {
    EngineChoice engine;  // of the machine
    ReportOptions report;
    std::string job, tasks, input;
    bool allow_mixed = false, retry = false;
};

int say_work(const enlarge::JobWorkReport& done, bool files, const WorkOptions& o, Reporter& reporter) {
    JsonLine line("done");
    line.add("job", o.job)
        .add("made", done.made)
        .add("passed_over", done.passed_over)
        .add(files ? "files" : "frames", done.frames);
    line.add("given_up", static_cast<int>(done.given_up.size())).add("seconds", done.seconds);
    reporter.done(std::to_string(done.made) + " parts made, " + std::to_string(done.passed_over) + " passed over, " +
                      std::to_string(done.frames) + (files ? " files in " : " frames in ") + duration(done.seconds),
                  std::move(line));
    if (done.given_up.empty()) return kOk;
    std::string list;
    for (const int number : done.given_up) list += (list.empty() ? "" : ", ") + std::to_string(number);
    reporter.error(o.job, {Errc::format, o.job + ": given up after three failures: parts " + list +
                                             "; logs/ says why, and --retry tries again"});
    return kSomeFailed;
}

// A job of files: each by the main command's own way.
Result<enlarge::JobWorkReport> work_on_files(const enlarge::FarmJob& job, const JobChoice& choice,
                                             const enlarge::VideoOptions& callbacks, enlarge::JobWork& work,
                                             Reporter& reporter) {
    const UpscaleOptions options = picture_options(choice);
    const auto factor = factor_of_files(job, work.input.empty() ? job.input : work.input, options);
    if (!factor) return factor.error();
    Upscalers upscalers(options);
    const auto upscaler = upscalers.upscaler(enlarge::Use::pictures, *factor);
    if (!upscaler) return upscaler.error();
    work.enlarge = [&](const std::string& input, const std::string& output, const auto& notice) {
        reporter.within(notice);
        auto done = upscale_picture({.input = input, .output = output}, options, upscalers, reporter);
        reporter.within({});
        return done;
    };
    return enlarge::work_on_job(**upscaler, job.folder, callbacks, work);
}

Result<enlarge::JobWorkReport> work_on_film(const enlarge::FarmJob& job, const JobChoice& choice,
                                            const enlarge::VideoOptions& options, const enlarge::JobWork& work) {
    std::string model;
    auto upscaler = upscaler_of(choice.engine, enlarge::Use::video, std::nullopt, model);
    if (!upscaler) return std::move(upscaler).error();
    return enlarge::work_on_job(*upscaler, job.folder, options, work);
}

int run_work(const WorkOptions& o) {
    Reporter reporter(o.report);
    const auto fail_with = [&](const Error& error) {
        reporter.error(o.job, error);
        return exit_code(error.code);
    };
    const auto job = enlarge::read_job(o.job);
    if (!job) return fail_with(job.error());
    enlarge::JobWork work{.input = o.input, .allow_mixed = o.allow_mixed, .retry = o.retry};
    if (!o.tasks.empty()) {
        auto tasks = parse_tasks(o.tasks, [](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value ? value : "");
        });
        if (!tasks) return fail_with(tasks.error());
        work.tasks = std::move(*tasks);
    }
    const auto choice = choice_of(*job, o.engine);
    if (!choice) return fail_with(choice.error());
    auto video = video_options(choice->engine, choice->video);
    if (!video) return fail_with(video.error());
    reporter.start(o.job, job->output);
    follow(*video, reporter);
    const auto done = job->files.empty() ? work_on_film(*job, *choice, *video, work)
                                         : work_on_files(*job, *choice, *video, work, reporter);
    if (!done) return fail_with(Error{done.error().code, o.job + ": " + done.error().message});
    return say_work(*done, !job->files.empty(), o, reporter);
}

}  // namespace

Action define_work(CLI::App& app) {
    auto options = std::make_shared<WorkOptions>();
    WorkOptions& o = *options;
    app.add_option("JOB", o.job, "Folder that `enlarge plan` made")->required()->group("Job");
    app.add_option("--task", o.tasks,
                   "This part, those from N to M, or auto: what Slurm, Kubernetes, AWS Batch, Grid Engine or PBS says "
                   "(default: whatever nobody else makes)")
        ->type_name("N|N-M|auto")
        ->group("Job");
    app.add_option("--input", o.input,
                   "Where the film, or the folder, is on this machine (default: where the job says)")
        ->type_name("PATH")
        ->group("Job");
    app.add_flag("--allow-mixed", o.allow_mixed, "Also when this machine computes other bits than the one that planned")
        ->group("Job");
    app.add_flag("--retry", o.retry, "Also parts that failed three times")->group("Job");
    app.add_option("-d,--device", o.engine.engine.device,
                   "Where to compute: auto, cpu, cuda, cuda:N, vulkan:N (see `enlarge devices`)")
        ->type_name("DEVICE")
        ->capture_default_str()
        ->group("Engine");
    app.add_option("--threads", o.engine.engine.threads, "Processor threads of the network; 0: all usable cores")
        ->type_name("N")
        ->check(whole(0, 4096))
        ->capture_default_str()
        ->group("Engine");
    app.add_option("--memory", o.engine.memory,
                   "Working memory besides the network's weights, such as 800M or 2G (default: half of what is free)")
        ->type_name("SIZE")
        ->group("Engine");
    app.add_flag("-y,--yes", o.engine.fetch.yes, "Download a public model that is named and not here without asking")
        ->group("Engine");
    app.add_flag("--offline", o.engine.fetch.offline, "Never download (ENLARGE_OFFLINE=1 does the same)")
        ->group("Engine");
    define_messages(app, o.report);
    return [options] { return run_work(*options); };
}

}  // namespace cli
