// SPDX-License-Identifier: Apache-2.0
// What the commands of a job (`enlarge plan`, `work`, `join`) have in common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine_options.hpp"
#include "enlarge/farm.hpp"
#include "reporter.hpp"
#include "upscale.hpp"
#include "video_command.hpp"

namespace cli {

// All options that decide what comes out, and are kept in a job.
struct JobChoice {
    EngineChoice engine;
    VideoChoice video;
    PictureChoice pictures;  // of a folder
};
void define_job_options(CLI::App& app, JobChoice& choice);

// Those of them that were given, as the job keeps them: what another machine or folder could understand in another way
// is written down as it is understood here. `model`: of upscaler_of().
std::vector<enlarge::JobOption> options_to_keep(const CLI::App& app, const JobChoice& choice, const std::string& model);

// The job's options as they were when it was planned, with what is this machine's own.
enlarge::Result<JobChoice> choice_of(const enlarge::FarmJob& job, const EngineChoice& own);

// The network for an enlargement by `factor` (none: by the option's), and its name.
enlarge::Result<enlarge::Upscaler> upscaler_of(const EngineChoice& choice, enlarge::Use use,
                                               std::optional<double> factor, std::string& model);

// "12.5 s", "1:40:00"
std::string duration(double seconds);

// Fails with Errc::argument when an option of films was given for a folder, or the other way round.
enlarge::Result<void> check_options(const CLI::App& app, bool folder);

// What there is to do in a folder, and by which network. Its films are left out, and what cannot be read.
struct FolderPlan {
    std::vector<enlarge::JobFile> files;
    std::vector<enlarge::Notice> notices;
    Settings network;
    double factor = 0;  // for which it was chosen
};
// Without `force` fails with Errc::exists where a file would be replaced.
enlarge::Result<FolderPlan> look_at_folder(const std::string& input, const std::string& output, const JobChoice& choice,
                                           bool force);
UpscaleOptions picture_options(const JobChoice& choice);
// For a job of files that lie in `input` here: what to choose the network by.
enlarge::Result<double> factor_of_files(const enlarge::FarmJob& job, const std::string& input,
                                        const UpscaleOptions& options);

void define_messages(CLI::App& app, ReportOptions& report);

// Progress, remarks and Ctrl-C for whatever takes long.
template <class Options>
void follow(Options& options, Reporter& reporter) {
    options.notice = [&reporter](const enlarge::Notice& said) { reporter.note(said); };
    options.progress = [&reporter, told = false](const enlarge::VideoProgress& p) mutable {
        if (interrupted() && !told) {
            told = true;
            reporter.note({"stopping", "stopping; Ctrl-C again stops at once"});
        }
        if (p.frames > 0) reporter.progress(p.fraction, reporter.json() ? std::string() : detail_of(p));
        return interrupted() ? enlarge::VideoControl::stop_soon : enlarge::VideoControl::go_on;
    };
}

}  // namespace cli
