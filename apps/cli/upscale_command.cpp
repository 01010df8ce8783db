// SPDX-License-Identifier: Apache-2.0
// `enlarge INPUT...`: what to do with each input, and in which order things may fail.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "enlarge/models.hpp"
#include "enlarge/picture.hpp"
#include "upscale.hpp"
#include "video_command.hpp"

namespace cli {
namespace {

// A pipe with a name (<(program), /dev/stdin, a fifo) that is the only input becomes standard input, which is looked into
// without taking from it what its reader needs.
enlarge::Result<void> take_pipe(std::vector<std::string>& inputs) {
    struct stat info = {};
    if (inputs.size() != 1 || inputs[0] == "-" || ::stat(inputs[0].c_str(), &info) != 0 || !S_ISFIFO(info.st_mode)) return {};
    const int pipe = ::open(inputs[0].c_str(), O_RDONLY | O_CLOEXEC);
    if (pipe < 0 || ::dup2(pipe, STDIN_FILENO) < 0)
        return enlarge::Error{enlarge::Errc::io, inputs[0] + ": cannot open: " + std::strerror(errno)};
    ::close(pipe);
    inputs[0] = "-";
    return {};
}

int run(UpscaleOptions& options, const VideoChoice& video) {
    options.engine.fetch.quiet = options.report.quiet;
    options.report.json_to_stderr = options.inputs.output == "-";
    Reporter reporter(options.report);
    const auto fail_all = [&](const enlarge::Error& error) {
        reporter.error("", error);
        return exit_code(error.code);
    };
    for (const enlarge::Notice& said : early_notices()) reporter.note(said);
    for (const enlarge::Notice& said : enlarge::own_folder_notices()) reporter.note(said);
    if (const auto taken = take_pipe(options.inputs.inputs); !taken) return fail_all(taken.error());
    const auto size = output_size(options.engine);
    if (!size) return fail_all(size.error());
    if (const auto engine = engine_options(options.engine); !engine) return fail_all(engine.error());
    Upscalers upscalers(options);
    const auto model = upscalers.model(enlarge::Use::pictures, size->scale);
    if (!model) return fail_all(model.error());

    options.inputs.suffix = size_suffix(size->scale > 0 ? size->scale : (*model)->info().scale, size->width, size->height);
    if (!options.preview.empty()) {
        if (const auto rect = parse_rect(options.preview, "--preview"); !rect) return fail_all(rect.error());
        options.inputs.suffix += "_preview";
    }
    if (options.try_models) options.inputs.suffix = "_models";
    options.inputs.wanted = [](const std::string& path) { return enlarge::format_of_path(path).ok() || enlarge::is_media_file(path); };
    const auto plan = plan_jobs(options.inputs);
    if (!plan) return fail_all(plan.error());
    const std::vector<Job>& jobs = plan->jobs;
    const auto distinct = check_distinct(jobs, options.inputs.suffix, [&](const Job& job) -> enlarge::Result<std::string> {
        return is_video_job(job, options, video) ? video_output(job, options.inputs.suffix, container_of(options, video)) : picture_output(job, options);
    });
    if (!distinct) return fail_all(distinct.error());
    for (const enlarge::Notice& said : plan->notices) reporter.note(said);
    if (const std::string& licence = (*model)->info().licence; enlarge::allows_commercial_use(licence) == false)
        reporter.note({"no-commercial-use", (*model)->info().name + ": its licence, " + licence + ", forbids commercial use"});
    if (options.try_models && (jobs.size() != 1 || (jobs[0].error.empty() && is_video_job(jobs[0], options, video))))
        return fail_all({enlarge::Errc::argument, "--try-models takes one picture"});
    reporter.expect(jobs.size());
    std::size_t failed = 0;
    int code = kOk;
    std::string hint;
    for (const Job& job : jobs) {
        const bool moving = job.error.empty() && is_video_job(job, options, video);
        auto result = !job.error.empty() ? enlarge::Result<void>(enlarge::Error{job.code, job.error})
                      : options.try_models ? try_models(job, options, reporter)
                      : moving           ? upscale_video(job, options, video, upscalers, reporter)
                                         : upscale_picture(job, options, upscalers, reporter);
        if (result) {
            if (hint.empty()) hint = better_model(options, moving ? enlarge::Use::video : enlarge::Use::pictures);
            continue;
        }
        if (moving && result.error().code == enlarge::Errc::cancelled) {
            reporter.error(job.input, result.error());
            return kInterrupted;
        }
        if (interrupted() || result.error().code == enlarge::Errc::cancelled) {
            reporter.error(job.input, {enlarge::Errc::cancelled, "interrupted; nothing half-written stays behind"});
            return kInterrupted;
        }
        reporter.error(job.input, result.error());
        ++failed;
        code = exit_code(result.error().code);
    }
    if (!hint.empty()) std::fprintf(stderr, "%s\n", hint.c_str());
    if (jobs.size() > 1 && failed > 0) {
        if (!options.report.json) std::fprintf(stderr, "enlarge: %zu of %zu inputs failed\n", failed, jobs.size());
        return kSomeFailed;
    }
    return code;
}

}  // namespace

enlarge::Result<Upscalers::Opened*> Upscalers::network(enlarge::Use use, double factor) {
    const auto settings = settings_for(options_.engine, use, factor);
    if (!settings) return settings.error();
    const auto key = std::tuple(settings->model, settings->denoise, settings->strength);
    auto found = networks_.find(key);
    if (found == networks_.end()) {
        EngineChoice choice = options_.engine;
        choice.denoise = settings->denoise;
        auto opened = open_model(settings->model, choice);
        if (!opened) {
            enlarge::Error error = std::move(opened).error();
            const bool preferred = choice.model.empty() && settings->model == enlarge::preferred_model();
            if (preferred) error.message += "; it is what `enlarge models use` chose: `enlarge models use --default` undoes that";
            return error;
        }
        found = networks_.emplace(key, Opened{std::move(opened).value(), settings->strength, std::nullopt}).first;
    }
    return &found->second;
}

enlarge::Result<Settings> Upscalers::settings(enlarge::Use use, double factor) const {
    return settings_for(options_.engine, use, factor);
}

std::string Upscalers::remark(enlarge::Use use, double factor) {
    const auto settings = settings_for(options_.engine, use, factor);
    return settings && said_.insert(settings->said).second ? settings->said : "";
}

enlarge::Result<enlarge::Model*> Upscalers::model(enlarge::Use use, double factor) {
    const auto found = network(use, factor);
    if (!found) return found.error();
    return &(*found)->model;
}

enlarge::Result<enlarge::Upscaler*> Upscalers::upscaler(enlarge::Use use, double factor) {
    const auto found = network(use, factor);
    if (!found) return found.error();
    Opened& wanted = **found;
    if (!wanted.upscaler) {
        auto engine = engine_options(options_.engine);
        if (!engine) return engine.error();
        engine->strength = wanted.strength;
        auto created = enlarge::Upscaler::create(wanted.model, *engine);
        if (!created) return std::move(created).error();
        wanted.upscaler = std::move(created).value();
    }
    return &*wanted.upscaler;
}

Action define_upscale(CLI::App& app) {
    auto options = std::make_shared<UpscaleOptions>();
    auto video = std::make_shared<VideoChoice>();
    UpscaleOptions& o = *options;
    app.add_option("INPUT", o.inputs.inputs, "Picture or video files, addresses, folders (with -r), patterns, or - for standard input")
        ->required()->group("Input and output");
    app.add_option("-o,--output", o.inputs.output, "File or folder to write, or - for standard output (default: beside the input, as photo_x4.jpg)")
        ->check(not_empty("leave it out to write beside the input"))
        ->type_name("PATH")->group("Input and output");
    app.add_flag("-r,--recursive", o.inputs.recursive, "Enlarge what is in folders and their subfolders")->group("Input and output");
    app.add_flag("-f,--force", o.force, "Overwrite outputs that exist")->group("Input and output");
    define_picture_options(app, o, o.engine, "Input and output");
    app.add_option("--page", o.page, "Which page of a file with several, from 1")->type_name("N")->check(whole(1, 1'000'000))->group("Input and output");
    const char* look = "A look first";
    auto* preview = app.add_option("--preview", o.preview, "Only this part of the input, as the whole would have it: its left, top, width and height in pixels; of video one frame, "
                                           "at --from, or what lies between --from and --to")
        ->type_name("X,Y,W,H")->group(look);
    auto* models = app.add_flag("--try-models", o.try_models, "One sheet to choose by looking: the same part by every network that is here and the one that is named, with names and times")
                       ->excludes(preview)->group(look);
    app.add_option("--crop", o.crop, "With --try-models: this part (default: 160x120 pixels where there is most to see)")
        ->type_name("X,Y,W,H")->needs(models)->group(look);
    define_size_options(app, o.engine);
    define_model_options(app, o.engine);
    define_video_options(app, *video);
    define_engine_options(app, o.engine);
    app.add_flag("--quiet", o.report.quiet, "Errors only")->group("Messages");
    app.add_flag("-v,--verbose", o.report.verbose, "Say what is done, and how long it takes")->group("Messages");
    app.add_flag("--json", o.report.json, "One JSON object per line on standard output: start, progress, note, done, error")->group("Messages");
    return [options, video] { return run(*options, *video); };
}

}  // namespace cli
