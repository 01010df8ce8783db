// SPDX-License-Identifier: Apache-2.0
#include "farm_options.hpp"

#include <algorithm>
#include <filesystem>

#include "CLI/CLI.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

// Those of them that say how to work, not what comes out: each machine has its own.
bool is_of_the_machine(const std::string& name) {
    constexpr const char* kOwn[] = {"--device", "--threads", "--memory", "--tile",
                                    "--yes",    "--offline", "--stats",  "--restart"};
    return std::any_of(std::begin(kOwn), std::end(kOwn), [&](const char* own) { return name == own; });
}

constexpr const char* kPictures = "Folders of pictures";  // a group of options

// What was given, by the options' long names.
std::vector<enlarge::JobOption> given_options(const CLI::App& app) {
    std::vector<enlarge::JobOption> given;
    for (const CLI::Option* option : app.get_options()) {
        if (option->count() == 0 || option->get_lnames().empty()) continue;
        const std::string name = "--" + option->get_lnames().front();
        constexpr const char* kGroups[] = {"Size", "Model", "Video", "Engine", "Live input", kPictures};
        const bool kept = std::any_of(std::begin(kGroups), std::end(kGroups),
                                      [&](const char* group) { return option->get_group() == group; });
        if (kept && !is_of_the_machine(name)) given.emplace_back(name, option->results());
    }
    return given;
}

// A file's name that stays right in another folder.
std::string from_anywhere(const std::string& name) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(name, error)) return name;
    return std::filesystem::absolute(name).lexically_normal().string();
}

void replace_option(std::vector<enlarge::JobOption>& options, const std::string& name,
                    std::vector<std::string> values) {
    std::erase_if(options, [&](const auto& option) { return option.first == name; });
    options.emplace_back(name, std::move(values));
}

}  // namespace

void define_job_options(CLI::App& app, JobChoice& choice) {
    define_size_options(app, choice.engine);
    define_model_options(app, choice.engine);
    define_video_options(app, choice.video);
    define_picture_options(app, choice.pictures, choice.engine, kPictures);
    define_engine_options(app, choice.engine);
}

Result<void> check_options(const CLI::App& app, bool folder) {
    for (const char* group : {"Video", "Live input", kPictures})
        for (const CLI::Option* option : app.get_options())
            if (option->count() > 0 && option->get_group() == group && folder != (group == kPictures))
                return Error{Errc::argument, option->get_name() + " is for " +
                                                 (folder ? "films" : "folders of pictures") + ", and this is a " +
                                                 (folder ? "folder" : "film")};
    return {};
}

std::vector<enlarge::JobOption> options_to_keep(const CLI::App& app, const JobChoice& choice,
                                                const std::string& model) {
    auto options = given_options(app);
    if (choice.engine.purpose.empty() || !choice.engine.model.empty())
        replace_option(options, "--model", {from_anywhere(model)});
    std::vector<std::string> blend;
    for (const std::string& one : choice.engine.blend) {
        const auto colon = one.rfind(':');
        blend.push_back(from_anywhere(one.substr(0, colon)) + one.substr(std::min(colon, one.size())));
    }
    if (!blend.empty()) replace_option(options, "--blend", blend);
    return options;
}

Result<JobChoice> choice_of(const enlarge::FarmJob& job, const EngineChoice& own) {
    JobChoice choice;
    CLI::App app;
    define_job_options(app, choice);
    std::vector<std::string> words;
    for (const auto& [name, values] : job.options)
        for (const std::string& value : values) words.push_back(name + "=" + value);
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    try {
        app.parse(words);
    } catch (const CLI::ParseError& error) {
        return Error{Errc::format, job.folder + "/job.json: its options are not understood: " + error.what()};
    }
    choice.engine.engine.device = own.engine.device;
    choice.engine.engine.threads = own.engine.threads;
    choice.engine.engine.tile = own.engine.tile;
    choice.engine.memory = own.memory;
    choice.engine.fetch = own.fetch;
    if (choice.engine.precision == "auto") choice.engine.precision = job.precision;
    return choice;
}

Result<enlarge::Upscaler> upscaler_of(const EngineChoice& choice, enlarge::Use use, std::optional<double> factor,
                                      std::string& model) {
    const auto size = output_size(choice);
    if (!size) return size.error();
    const auto settings = settings_for(choice, use, factor.value_or(size->scale));
    if (!settings) return settings.error();
    model = settings->model;
    EngineChoice settled = choice;
    settled.denoise = settings->denoise;
    const auto opened = open_model(settings->model, settled);
    if (!opened) return opened.error();
    auto engine = engine_options(choice);
    if (!engine) return std::move(engine).error();
    engine->strength = settings->strength;
    return enlarge::Upscaler::create(*opened, *engine);
}

std::string duration(double seconds) {
    if (seconds < 60) return fixed(seconds, 1) + " s";
    return clock(seconds);
}

void define_messages(CLI::App& app, ReportOptions& report) {
    app.add_flag("--quiet", report.quiet, "Errors only")->group("Messages");
    app.add_flag("-v,--verbose", report.verbose, "Say what is done, and how long it takes")->group("Messages");
    app.add_flag("--json", report.json, "JSON on standard output")->group("Messages");
}

}  // namespace cli
