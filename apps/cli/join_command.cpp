// SPDX-License-Identifier: Apache-2.0
// `enlarge join`: the film of a job.
#include <memory>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "farm_options.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct JoinOptions {
    ReportOptions report;
    std::string job, output, input;
    bool so_far = false, force = false;
};

int run_join(const JoinOptions& o) {
    Reporter reporter(o.report);
    enlarge::JobJoin join{.output = o.output, .input = o.input, .so_far = o.so_far, .overwrite = o.force};
    reporter.start(o.job, o.output);
    follow(join, reporter);
    const auto done = enlarge::join_job(o.job, join);
    if (!done) {
        const std::string& said = done.error().message;
        const bool named = said.rfind(o.job + ":", 0) == 0;
        reporter.error(o.job, {done.error().code, named ? said : o.job + ": " + said});
        return exit_code(done.error().code);
    }
    if (done->input_cut_short)
        reporter.note(
            {"input-ended-early", "warning: the input ends before its end; what could be read is in the output"});
    for (const std::string& failed : done->failed) reporter.error(o.job, {enlarge::Errc::format, failed});
    if (done->frames_missing > 0 && done->files)
        reporter.note({"files-missing", std::to_string(done->frames_missing) + " files are not there yet"});
    else if (done->frames_missing > 0)
        reporter.note({"frames-missing", std::to_string(done->frames_missing) +
                                             " frames are not there yet: the picture stands still meanwhile"});
    JsonLine line("done");
    line.add("job", o.job).add("output", done->output).add(done->files ? "files_out" : "frames_out", done->frames);
    line.add("bytes", done->bytes);
    line.add(done->files ? "files_missing" : "frames_missing", done->frames_missing);
    if (done->files) line.add("files_failed", static_cast<int>(done->failed.size()));
    reporter.done(done->output + ": " + std::to_string(done->frames) + (done->files ? " files, " : " frames, ") +
                      fixed(static_cast<double>(done->bytes) / 1e6, 1) + " MB",
                  std::move(line));
    return done->failed.empty() ? kOk : kSomeFailed;
}

}  // namespace

Action define_join(CLI::App& app) {
    auto options = std::make_shared<JoinOptions>();
    JoinOptions& o = *options;
    app.add_option("JOB", o.job,
                   "Folder that `enlarge plan` made; with --so-far also the one with an interrupted film's work")
        ->required()
        ->group("Job");
    app.add_option("-o,--output", o.output,
                   "File, or folder, to write (default: as planned; with --so-far film_so_far.mkv)")
        ->type_name("PATH")
        ->group("Job");
    app.add_option("--input", o.input, "Where the film is on this machine (default: where the job says)")
        ->type_name("PATH")
        ->group("Job");
    app.add_flag("--so-far", o.so_far, "A playable film of what is done; the job stays as it is")->group("Job");
    app.add_flag("-f,--force", o.force, "Overwrite outputs that exist")->group("Job");
    define_messages(app, o.report);
    return [options] { return run_join(*options); };
}

}  // namespace cli
