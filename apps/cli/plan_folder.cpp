// SPDX-License-Identifier: Apache-2.0
// What `enlarge plan` makes of a folder: the pictures of `enlarge -r FOLDER -o FOLDER`, under the same names.
#include <filesystem>

#include "enlarge/models.hpp"
#include "farm_options.hpp"
#include "text.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using enlarge::Errc;
using enlarge::Error;
using enlarge::Notice;
using enlarge::Result;

std::string inside(const std::string& path, const std::string& folder) {
    return fs::path(path).lexically_relative(fs::path(folder)).string();
}

// One network for all of them, as one Upscaler makes them; what is left open depends on how large each becomes.
Result<void> settle(const Settings& wanted, double factor, FolderPlan& plan) {
    if (plan.files.empty()) {
        plan.network = wanted;
        plan.factor = factor;
    }
    const Settings& first = plan.network;
    if (first.model == wanted.model && first.denoise == wanted.denoise && first.strength == wanted.strength) return {};
    return Error{Errc::argument, "these pictures would take two networks, " + first.model + " and " + wanted.model +
                                     ", as they grow by different factors; name one with -m"};
}

Result<void> add(const Job& job, const UpscaleOptions& options, FolderPlan& plan) {
    const std::string& input = options.inputs.inputs.front();
    const std::string name = inside(job.input, input);
    const auto left_out = [&](const std::string& why) {
        const bool named = why.starts_with(job.input + ": ");
        plan.notices.push_back(
            {"left-out", job.input + " is left out: " + (named ? why.substr(job.input.size() + 2) : why)});
        return Result<void>();
    };
    if (is_video_job(job, options, {})) return left_out("a film is a job of its own (`enlarge plan` with its name)");
    const auto picture = open_picture(job.input, options);
    const auto output = picture ? picture_output(job, options) : Result<std::string>(picture.error());
    if (!output) return left_out(output.error().message);
    const auto factor = picture_factor(*picture, options);
    if (!factor) return factor.error();
    const auto settings = settings_for(options.engine, enlarge::Use::pictures, *factor);
    if (!settings) return settings.error();
    if (auto settled = settle(*settings, *factor, plan); !settled) return settled;
    const enlarge::Size size = picture->info().size;
    plan.files.push_back({.input = name,
                          .output = inside(*output, options.inputs.output),
                          .pixels = std::int64_t{size.width} * size.height});
    return {};
}

}  // namespace

UpscaleOptions picture_options(const JobChoice& choice) {
    UpscaleOptions options;
    static_cast<PictureChoice&>(options) = choice.pictures;
    options.engine = choice.engine;
    return options;
}

Result<FolderPlan> look_at_folder(const std::string& input, const std::string& output, const JobChoice& choice,
                                  bool force) {
    UpscaleOptions options = picture_options(choice);
    options.inputs.inputs = {input};
    options.inputs.output = output.back() == '/' ? output : output + "/";
    options.inputs.recursive = true;
    options.inputs.wanted = [](const std::string& path) {
        return enlarge::format_of_path(path).ok() || enlarge::is_media_file(path);
    };
    const auto size = output_size(choice.engine);
    if (!size) return size.error();
    Upscalers upscalers(options);
    const auto model = upscalers.model(enlarge::Use::pictures, size->scale);
    if (!model) return model.error();
    const double scale = size->scale > 0 ? size->scale : (*model)->info().scale;
    options.inputs.suffix = size_suffix(scale, size->width, size->height);
    const auto jobs = plan_jobs(options.inputs);
    if (!jobs) return jobs.error();
    for (const Job& job : jobs->jobs)
        if (!job.error.empty()) return Error{job.code, job.error};
    const auto name = [&](const Job& job) { return picture_output(job, options); };
    if (auto distinct = check_distinct(jobs->jobs, options.inputs.suffix, name); !distinct) return distinct.error();
    FolderPlan plan;
    plan.notices = jobs->notices;
    for (const Job& job : jobs->jobs) {
        if (interrupted()) return Error{Errc::cancelled, "interrupted; nothing was kept"};
        if (auto added = add(job, options, plan); !added) return added.error();
    }
    if (plan.files.empty()) return Error{Errc::not_found, input + ": holds no pictures that can be read"};
    std::error_code ignored;
    for (const enlarge::JobFile& file : plan.files)
        if (const fs::path taken = fs::path(output) / file.output; !force && fs::exists(taken, ignored))
            return Error{Errc::exists, taken.string() + ": there already; --force lets `enlarge join` replace it, or " +
                                           "-o with another folder"};
    return plan;
}

Result<double> factor_of_files(const enlarge::FarmJob& job, const std::string& input, const UpscaleOptions& options) {
    const auto size = output_size(options.engine);
    if (!size) return size.error();
    if (size->scale > 0 || (size->width == 0 && size->height == 0)) return size->scale;
    Error last{Errc::not_found, input + ": holds none of the job's pictures"};
    for (const enlarge::JobFile& file : job.files) {
        const auto picture = open_picture((fs::path(input) / file.input).string(), options);
        if (picture) return picture_factor(*picture, options);
        last = picture.error();
    }
    return last;
}

}  // namespace cli
